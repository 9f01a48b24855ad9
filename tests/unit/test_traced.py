# SPDX-License-Identifier: GPL-3.0-or-later
"""What a .blend uses becomes a bundle: secrets stay, links hide nothing, and a job goes on sending the same."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.assets import staging
from cloudrender_addon.backend.assets.addons import AddOn
from cloudrender_addon.backend.assets.hash_cache import HashCache
from cloudrender_addon.backend.assets.hashing import hash_bundle
from cloudrender_addon.backend.assets.trace import trace
from cloudrender_addon.backend.assets.traced import Traced, TraceRequest
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, LocalBlenderError, MissingFilesError, ProjectError
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.record import JobRecord
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.job.traced import is_traced, keep_traced, load_traced
from cloudrender_addon.backend.jobs import bundle_of, trace_job
from cloudrender_addon.backend.local_blender import LocalBlender
from cloudrender_addon.backend.settings import Settings
from tests.unit.blenders import answering, fake_blender, result_of

SCRIPT = Path("/trace.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.blend").write_bytes(b"blend")
    return folder


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def run(
    tmp_path: Path,
    *files: tuple[Path, str],
    autoexec: bool = False,
    nodes: tuple[str, ...] = (),
    code: int | None = None,
    **more: Any,
) -> Traced:
    root = tmp_path / "project"
    (tmp_path / "staging").mkdir(exist_ok=True)
    request = TraceRequest(
        blend=root / "a.blend", original=root / "a.blend", project=root, name="a.blend",
        staging=tmp_path / "staging", autoexec=autoexec, nodes=nodes,
    )  # fmt: skip
    result = result_of((root / "a.blend", "a.blend"), *files, **more)
    blender = answering(tmp_path / "blender", result, code=code)
    return trace(request, blender=blender, cancel=CancelToken(), script=SCRIPT)


def names(traced: Traced) -> list[str]:
    return [file.name for file in traced.bundle.files]


def test_what_is_used_is_sent_and_nothing_else(tmp_path: Path, root: Path) -> None:
    inside, outside = put(root / "t" / "wood.png", b"123"), put(tmp_path / "lib" / "ü.png")
    put(root / "unused.png")
    traced = run(tmp_path, (outside, "_outside/lib-0123abcd/ü.png"), (inside, "t/wood.png"))
    assert names(traced) == ["_outside/lib-0123abcd/ü.png", "a.blend", "t/wood.png"]
    assert traced.bundle.total_bytes == 9 and traced.outside == (outside,)
    assert traced.bundle.notes == (f"Sent from outside the project folder: {outside}.",)
    asked = json.loads((tmp_path / "blender" / "asked.json").read_text())
    assert asked.pop("result") and asked == {
        "blend": str(root / "a.blend"), "original": str(root / "a.blend"), "project": str(root), "name": "a.blend",
        "staging": str(tmp_path / "staging"),
    }  # fmt: skip


def test_secrets_stay_whatever_uses_them_and_however_they_are_reached(tmp_path: Path, root: Path) -> None:
    key = put(tmp_path / "home" / ".ssh" / "config")
    (root / "link.png").symlink_to(key)
    (root / "folder").symlink_to(key.parent)
    traced = run(
        tmp_path,
        (put(root / ".env"), ".env"),
        (put(root / "keys" / "id_rsa"), "keys/id_rsa"),
        (key, "_outside/ssh-0123abcd/config"),
        (root / "link.png", "link.png"),
        (root / "folder" / "config", "folder/config"),
        (put(tmp_path / "lib" / "x.pem"), "_outside/lib-0123abcd/innocent.png"),
        (put(root / "wood.png"), "wood.png"),
    )
    assert names(traced) == ["a.blend", "wood.png"] and not traced.outside
    [note] = traced.bundle.notes
    assert note.startswith("Used, but not sent, because keys or passwords may be in it: ") and "and 1 more" in note


def test_a_project_below_a_folder_that_is_called_like_a_secret_is_sent(tmp_path: Path) -> None:
    below = tmp_path / ".env.d"
    put(below / "project" / "a.blend")
    assert names(run(below, (put(below / "project" / "wood.png"), "wood.png"))) == ["a.blend", "wood.png"]


def test_what_the_ignore_file_names_stays_but_never_the_blend(tmp_path: Path, root: Path) -> None:
    (root / ".cloudrenderignore").write_text("*.exr\n*.blend\nproxy/\n")
    traced = run(
        tmp_path,
        (put(root / "a.exr"), "a.exr"),
        (put(root / "proxy" / "b.png"), "proxy/b.png"),
        (put(tmp_path / "x" / "c.exr"), "_outside/x-0123abcd/c.exr"),
    )
    assert names(traced) == ["_outside/x-0123abcd/c.exr", "a.blend"]
    assert "Used, but not sent, because .cloudrenderignore names it: a.exr, proxy/b.png." in traced.bundle.notes


def test_what_went_meanwhile_or_is_no_file_is_told(tmp_path: Path, root: Path) -> None:
    (root / "folder").mkdir()
    traced = run(tmp_path, (root / "gone.png", "gone.png"), (root / "folder", "folder"))
    assert names(traced) == ["a.blend"]
    assert [(each.owner, each.why) for each in traced.left_out] == [
        ("gone.png", "it cannot be read"), ("folder", "it cannot be read"),
    ]  # fmt: skip


def test_a_trace_that_fails_says_so(tmp_path: Path, root: Path) -> None:
    with pytest.raises(LocalBlenderError, match="no such datablock"):
        run(tmp_path, error={"message": "no such datablock", "hint": ""})


def test_a_trace_that_ends_badly_is_told_in_its_own_words(tmp_path: Path, root: Path) -> None:
    with pytest.raises(LocalBlenderError, match="exit code 3"):
        run(tmp_path, code=3)
    with pytest.raises(LocalBlenderError, match="no such datablock"):
        run(tmp_path, code=3, error={"message": "no such datablock", "hint": ""})


def test_scripts_are_worth_a_warning_unless_they_run(tmp_path: Path, root: Path) -> None:
    found: dict[str, Any] = {"warnings": ["W."], "scripts": ["rig.py"], "undefined_nodes": ["OctaneNode"]}
    traced = run(tmp_path, **found)
    assert traced.warnings == (
        "W.",
        "Will not run, unless you let scripts run (--enable-autoexec): rig.py.",
        "Nodes that Blender without add-ons does not know: OctaneNode.",
    )
    assert traced.undefined_nodes == ("OctaneNode",)
    assert len(run(tmp_path, autoexec=True, **found).warnings) == 2


def test_nodes_of_addons_that_go_along_are_not_worth_a_warning(tmp_path: Path, root: Path) -> None:
    traced = run(tmp_path, nodes=("Brick", "Wall"), undefined_nodes=["Brick", "OctaneNode"])
    assert traced.undefined_nodes == ("OctaneNode",)
    assert traced.warnings == ("Nodes that Blender without add-ons does not know: OctaneNode.",)


def test_everything_found_is_in_the_log(tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    missing = [{"owner": f"image {n}", "path": f"/{n}.png", "library": ""} for n in range(30)]
    traced = run(tmp_path, missing=missing, warnings=["Cloth is not baked."])
    with caplog.at_level(logging.INFO):
        traced.log()
    assert all(f"missing: image {n} (/{n}.png)" in caplog.text for n in range(30))
    assert "Cloth is not baked." in caplog.text


# -- kept in the job's folder ------------------------------------------------------------------------------


def spec_of(tmp_path: Path, **more: Any) -> JobSpec:
    return JobSpec(
        job_id="j", project=tmp_path / "project", blend="a.blend", frames=(1,), output=tmp_path / "out", blender="4.2",
        autoexec=False, settings=Settings(home=tmp_path / "home"), **more,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, root: Path) -> JobFolder:
    return JobStore(tmp_path / "home").create(JobRecord(spec=spec_of(tmp_path), started=time.time()))


def traced_by(tmp_path: Path, spec: JobSpec, *files: tuple[Path, str], **more: Any) -> Traced:
    blend = spec.snapshot or spec.project / spec.blend
    blender = answering(tmp_path / "blender", result_of((blend, "a.blend"), *files, **more))
    return trace_job(spec, blender=blender, cancel=CancelToken(), script=SCRIPT)


def test_a_job_goes_on_sending_what_was_traced(tmp_path: Path, root: Path, folder: JobFolder) -> None:
    spec = spec_of(tmp_path)
    put(root / "unused.png")
    assert not is_traced(folder) and len(bundle_of(folder, spec, cancel=CancelToken()).files) == 2
    missing = [{"owner": "image Wood", "path": "/w.png", "library": ""}]
    spec = replace(spec, accept_missing=("/w.png",))
    traced = traced_by(tmp_path, spec, (put(root / "wood.png"), "wood.png"), missing=missing, warnings=["W."])
    keep_traced(folder, traced)
    assert is_traced(folder) and load_traced(folder) == traced
    put(root / "wood.png", b"longer now")
    assert [(file.name, file.size) for file in bundle_of(folder, spec, cancel=CancelToken()).files] == [
        ("a.blend", 5),
        ("wood.png", 10),
    ]


def test_addons_go_with_what_was_traced(tmp_path: Path, root: Path, folder: JobFolder) -> None:
    code = put(tmp_path / "copy" / "bricks.py")
    addon = AddOn(module="bricks", name="Bricks", version="", content=code, nodes=("Brick",))
    spec = replace(spec_of(tmp_path), addons=(addon,))
    traced = traced_by(tmp_path, spec, undefined_nodes=["Brick"])
    assert traced.undefined_nodes == ()
    keep_traced(folder, traced)
    assert [file.name for file in bundle_of(folder, spec, cancel=CancelToken()).files] == [
        "_addons/bricks.py",
        "a.blend",
    ]


def test_what_is_gone_when_the_job_goes_on_is_told(tmp_path: Path, root: Path, folder: JobFolder) -> None:
    spec = spec_of(tmp_path)
    keep_traced(folder, traced_by(tmp_path, spec, (put(root / "wood.png"), "wood.png")))
    (root / "wood.png").unlink()
    with pytest.raises(ProjectError, match=r"gone: .*wood\.png") as caught:
        bundle_of(folder, spec, cancel=CancelToken())
    assert "Put them back" in caught.value.hint


def test_a_blend_that_changed_when_the_job_goes_on_is_traced_once_more(
    tmp_path: Path, root: Path, folder: JobFolder
) -> None:
    spec = spec_of(tmp_path)
    copy = put(tmp_path / "home" / "staging" / "0123.blend", b"rewritten")
    keep_traced(folder, traced_by(tmp_path, spec, (copy, "lib/b.blend")))

    def go_on(blender: LocalBlender | None) -> list[str]:
        bundle = bundle_of(folder, spec, cancel=CancelToken(), blender=lambda: blender)
        assert not bundle.notes
        return [file.name for file in bundle.files]

    assert go_on(None) == ["a.blend", "lib/b.blend"]  # nobody has to be asked
    put(root / "a.blend", b"BLEND")
    os.utime(root / "a.blend", ns=(1, 1))
    assert load_traced(folder).changed == ("a.blend",)
    assert "Changed since the job was made" in load_traced(folder).bundle.notes[0]
    with pytest.raises(ProjectError, match=r"a\.blend changed since it was found out what it uses"):
        go_on(None)
    other = put(tmp_path / "home" / "staging" / "4567.blend", b"another")
    now_used = (root / "a.blend", "a.blend"), (put(root / "new.png"), "new.png"), (other, "lib/b.blend")
    blender = answering(tmp_path / "asked again", result_of(*now_used))
    assert go_on(blender) == go_on(None) == ["a.blend", "lib/b.blend", "new.png"]
    assert [path.read_bytes() for path in (folder.path / "traced").iterdir()] == [b"another"]


def test_what_was_traced_is_what_is_hashed(tmp_path: Path, root: Path, folder: JobFolder) -> None:
    spec = spec_of(tmp_path)
    keep_traced(folder, traced_by(tmp_path, spec))
    bundle = bundle_of(folder, spec, cancel=CancelToken())
    cache = HashCache(tmp_path / "hashes")
    hash_bundle(bundle, cache=cache)
    os.utime(root / "a.blend", ns=(1, 1))
    with pytest.raises(ProjectError, match=r"a\.blend changed"):
        hash_bundle(bundle, cache=cache)


def saved_while_it_is_read(tmp_path: Path, root: Path, *, times: int) -> Traced:
    """Trace a file that is saved by somebody each time the trace has read it."""
    put(tmp_path / "times", b"." * times)
    result = result_of((root / "a.blend", "a.blend"))
    saves = f"""
import json, os, sys
asked, left = json.load(open(sys.argv[-1])), os.path.getsize({str(tmp_path / "times")!r})
status = os.stat(asked["blend"])
result = {result!r}
result["blends"][0].update(size=status.st_size, mtime_ns=status.st_mtime_ns)
if left:
    os.truncate({str(tmp_path / "times")!r}, left - 1)
    with open(asked["blend"], "ab") as blend:
        blend.write(b"saved")
json.dump(result, open(asked["result"], "w"))
"""
    (tmp_path / "saves.py").write_text(saves)
    words = shlex.join([sys.executable, str(tmp_path / "saves.py")])
    program = fake_blender(tmp_path / "blender", "4.2.3", script=f'exec {words} "$@"')
    blender = LocalBlender(program=program, version=(4, 2, 3))
    return trace_job(spec_of(tmp_path), blender=blender, cancel=CancelToken(), script=SCRIPT)


def test_a_file_that_is_saved_while_it_is_traced_is_traced_once_more(tmp_path: Path, root: Path) -> None:
    traced = saved_while_it_is_read(tmp_path, root, times=1)
    [file] = traced.bundle.files
    assert (file.size, file.mtime_ns) == (len(b"blendsaved"), (root / "a.blend").stat().st_mtime_ns)


def test_a_file_that_is_saved_again_and_again_is_no_project(tmp_path: Path, root: Path) -> None:
    with pytest.raises(ProjectError, match=r"a\.blend changes while it is looked through") as caught:
        saved_while_it_is_read(tmp_path, root, times=9)
    assert (tmp_path / "times").stat().st_size == 7 and "alone" in caught.value.hint


def test_a_rewritten_copy_outlives_its_place(tmp_path: Path, root: Path, folder: JobFolder) -> None:
    spec = spec_of(tmp_path)
    copy = put(tmp_path / "home" / "staging" / "0123.blend", b"rewritten")
    traced = traced_by(tmp_path, spec, (copy, "lib/b.blend"))
    assert traced.staged == {"lib/b.blend"}
    keep_traced(folder, traced)
    [_, file] = bundle_of(folder, spec, cancel=CancelToken()).files
    assert file.source == copy, "other jobs send it from there, too"
    old = time.time() - 40 * 86_400
    os.utime(copy.with_name("0123.blend.used"), (old, old))
    bundle_of(folder, spec, cancel=CancelToken())
    staging.prune(copy.parent)
    assert copy.exists(), "it is about to be sent"
    copy.unlink()
    [_, file] = bundle_of(folder, spec, cancel=CancelToken()).files
    assert file.source.read_bytes() == b"rewritten" and file.source.is_relative_to(folder.path)
    put(copy, b"something else")
    assert bundle_of(folder, spec, cancel=CancelToken()).files[1].source.read_bytes() == b"rewritten"


def test_missing_files_are_refused_unless_accepted(tmp_path: Path, root: Path) -> None:
    missing = [{"owner": f"image {n}", "path": f"/{n}.png", "library": "l.blend"} for n in range(8)]
    spec = spec_of(tmp_path, accept_missing=("/0.png",))
    with pytest.raises(MissingFilesError, match="and 2 more") as caught:
        traced_by(tmp_path, spec, missing=missing)
    assert caught.value.paths == tuple(f"/{n}.png" for n in range(1, 8))
    assert len(caught.value.details) == 7 and "Find Missing Files" in caught.value.hint
    accepting = replace(spec, accept_missing=("/0.png", *caught.value.paths))
    assert len(traced_by(tmp_path, accepting, missing=missing).missing) == 8


def test_a_snapshot_is_opened_as_the_file_it_is_of(tmp_path: Path, root: Path, folder: JobFolder) -> None:
    snapshot = put(folder.path / "snapshot" / "a.blend")
    traced_by(tmp_path, spec_of(tmp_path, snapshot=snapshot))
    asked = json.loads((tmp_path / "blender" / "asked.json").read_text())
    assert (asked["blend"], asked["original"]) == (str(snapshot), str(root / "a.blend"))
    never_saved = replace(spec_of(tmp_path, snapshot=snapshot), project=snapshot.parent)
    traced_by(tmp_path, never_saved)
    assert json.loads((tmp_path / "blender" / "asked.json").read_text())["original"] is None


# -- where the copies are ----------------------------------------------------------------------------------


def test_copies_not_used_for_long_go_and_those_in_use_stay(tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("old", 40), ("lately", 20), ("hour", 1 / 48), ("used", 40)):
        os.utime(put(tmp_path / name, bytes(100)), (now - age * 86_400,) * 2)
    staging.note_use(tmp_path / "used")
    staging.prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hour", "lately", "used", "used.used"]
    staging.prune(tmp_path, max_bytes=250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hour", "used", "used.used"]
    staging.prune(tmp_path, max_bytes=10)
    assert (tmp_path / "hour").exists(), "another client may just use it"


def test_a_trace_notes_the_use_of_copies_and_prunes(tmp_path: Path, root: Path) -> None:
    copy, old = put(tmp_path / "staging" / "1.blend"), put(tmp_path / "staging" / "2.blend")
    for path in (copy, old):
        os.utime(path, (1, 1))
    traced = run(tmp_path, (copy, "_outside/lib-0123abcd/l.blend"))
    assert copy.exists() and not old.exists() and copy.stat().st_mtime == 1
    assert traced.outside == (Path("lib-0123abcd/l.blend"),)


def test_clients_take_turns_and_waiting_hears_cancel(tmp_path: Path, root: Path) -> None:
    put(tmp_path / "staging" / "1.blend")
    done = threading.Event()

    def second() -> None:
        run(tmp_path)
        done.set()

    asked = tmp_path / "blender" / "asked.json"
    with staging.alone_in(tmp_path / "staging", seconds=1, cancel=CancelToken()):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert not done.wait(0.5) and not asked.exists(), "it was traced while another client was at it"
        cancelled = CancelToken()
        cancelled.cancel()
        with pytest.raises(Cancelled), staging.alone_in(tmp_path / "staging", seconds=60, cancel=cancelled):
            pass
        with pytest.raises(TimeoutError), staging.alone_in(tmp_path / "staging", seconds=0, cancel=CancelToken()):
            pass
    assert done.wait(30) and asked.exists()
    waiting.join()
