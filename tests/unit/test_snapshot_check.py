# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Snapshot, with a program that answers as Blender does: what is made of crashes and refusals."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.assets.bundle import Bundle, BundleFile
from cloudrender_addon.backend.assets.layout import lay_out
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, LocalBlenderError, ProjectError
from cloudrender_addon.backend.setting_values import Send
from cloudrender_addon.backend.snapshot_check import SnapshotCheck, check_snapshot, percent, scratch_folder

Act = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass
class FakeBlender:
    """Answers each request as `act` says, None being a crash."""

    act: Act
    asked: list[dict[str, Any]] = field(default_factory=list)

    def run(self, script: Path, *arguments: str, log: Path, seconds: float, cancel: CancelToken) -> None:
        request = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        self.asked.append(request)
        assert script.is_file() and not Path(request["result"]).exists()
        answer = self.act(request)
        engine = request["engine"] or "BLENDER_EEVEE_NEXT"
        Path(request["result"]).write_text(json.dumps({"engine": engine, **(answer or {})}))
        if answer is None:
            raise LocalBlenderError("Blender 4.2.3 of this computer failed with exit code -11")
        if "error" not in answer:
            Path(request["picture"]).write_bytes(b"png")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    blend = tmp_path / "film.blend"
    blend.write_bytes(b"blend")
    return Bundle(root=tmp_path, files=(BundleFile(source=blend, name="film.blend", size=5),))


def check(
    bundle: Bundle, act: Act, *, original: bool = True, send: Send = "used"
) -> tuple[SnapshotCheck, list[dict[str, Any]]]:
    blender = FakeBlender(act)
    blend = bundle.root / "film.blend"
    with scratch_folder(bundle.root / "home") as scratch:
        result = check_snapshot(
            bundle,
            blend="film.blend",
            open_file=blend,
            original=blend if original else None,
            blender=blender,  # type: ignore[arg-type]  # it does what is asked of one
            output=bundle.root / "pictures",
            scratch=scratch,
            send=send,
            say=lambda _: None,
            cancel=CancelToken(),
        )
    assert not scratch.exists()
    return result, blender.asked


def fine(request: dict[str, Any]) -> dict[str, Any]:
    return {"frame": 7, "differing": 0.0, "reached": []}


def test_both_are_rendered_by_the_same_engine(bundle: Bundle) -> None:
    result, (first, second) = check(bundle, fine)
    assert result.identical and result.frame == 7 and result.notes == ()
    assert first["engine"] is None and second["engine"] == "BLENDER_EEVEE_NEXT"
    assert Path(first["copy"]).name == "film.blend" and first["original"] == str(bundle.root / "film.blend")
    assert second["blend"] == str(Path(second["root"]) / "film.blend") and second["against"] == first["picture"]


def test_a_file_that_was_never_saved_has_no_original(bundle: Bundle) -> None:
    result, (first, _) = check(bundle, fine, original=False)
    assert result.identical and first["original"] is None


@pytest.mark.parametrize("refusal", [None, {"error": {"message": "no display", "hint": ""}}])
def test_an_engine_that_does_not_run_here_is_stood_in_for(bundle: Bundle, refusal: dict[str, Any] | None) -> None:
    result, asked = check(bundle, lambda request: fine(request) if request["engine"] == "CYCLES" else refusal)
    assert result.identical and [request["engine"] for request in asked] == [None, "CYCLES", "CYCLES"]
    assert result.notes == ("Both were rendered by Cycles: BLENDER_EEVEE_NEXT does not run in the background here",)


def test_a_crash_of_both_engines_is_no_picture(bundle: Bundle) -> None:
    result, asked = check(bundle, lambda _: None)
    assert len(asked) == 2 and not result.identical and result.open_file is None
    assert result.verdict == "No picture: Blender 4.2.3 of this computer failed with exit code -11"


def test_a_crash_with_the_bundle_alone_is_no_reason_for_another_engine(bundle: Bundle) -> None:
    result, asked = check(bundle, lambda request: None if "root" in request else fine(request))
    assert len(asked) == 2 and result.open_file and result.bundle is None and result.verdict.startswith("No picture: ")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ({"differing": 0.25}, "Different: 25 % of the pixels of frame 7"),
        ({"differing": None}, "No picture: the pictures are not of the same size"),
        ({"reached": ["/tex/wood.png"]}, "Frame 7 is the same here, but by files outside of the bundle"),
        ({"differing": 0.5, "reached": ["/a"]}, "Different: 50 % of the pixels of frame 7"),
    ],
)
def test_verdicts(bundle: Bundle, answer: dict[str, Any], verdict: str) -> None:
    result, _ = check(bundle, lambda request: {**fine(request), **answer})
    assert result.verdict == verdict and not result.identical


@pytest.mark.parametrize(("send", "other"), [("used", "--send folder"), ("folder", "--send used")])
@pytest.mark.parametrize("answer", [{"differing": 0.25}, {"reached": ["/tex/wood.png"]}])
def test_frames_that_are_not_the_same_come_with_a_next_step(
    bundle: Bundle, answer: dict[str, Any], send: Send, other: str
) -> None:
    result, _ = check(bundle, lambda request: {**fine(request), **answer}, send=send)
    assert "Probably" in result.hint and f"({other})" in result.hint
    assert check(bundle, fine, send=send)[0].hint == ""


@pytest.mark.parametrize("ending", [LocalBlenderError("crashed"), Cancelled()], ids=["crashed", "killed"])
def test_a_blender_that_ends_in_the_middle_leaves_nothing_beside_the_users_files(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, ending: Exception
) -> None:
    compiled, other = bundle.root / "glow.oso", bundle.root / "precious.txt"
    other.touch()

    def run(_blender: FakeBlender, _script: Path, *arguments: str, **_more: Any) -> None:
        request = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        left = [str(compiled), str(other), str(bundle.root / "never made.oso")]
        Path(request["result"]).write_text(json.dumps({"engine": "CYCLES", "compiled": left}))
        compiled.touch()
        raise ending

    monkeypatch.setattr(FakeBlender, "run", run)
    with contextlib.suppress(Cancelled):
        check(bundle, fine)
    assert not compiled.exists() and other.exists()


def test_pictures_of_an_earlier_check_are_gone(bundle: Bundle) -> None:
    (bundle.root / "pictures").mkdir()
    (bundle.root / "pictures" / "difference.png").write_bytes(b"old")
    result, _ = check(bundle, fine)
    assert result.difference is None and not (bundle.root / "pictures" / "difference.png").exists()


def test_caches_of_simulations_are_copied_beside_the_copy(bundle: Bundle) -> None:
    cache = bundle.root / "blendcache_film" / "a_000001_00.bphys"
    cache.parent.mkdir()
    cache.write_bytes(b"cache")

    def act(request: dict[str, Any]) -> dict[str, Any]:
        if "copy" in request:
            beside = Path(request["copy"]).parent / "blendcache_film" / cache.name
            assert beside.read_bytes() == b"cache" and not beside.samefile(cache)
        return fine(request)

    assert check(bundle, act)[0].identical


def test_what_may_be_written_to_is_no_link(tmp_path: Path) -> None:
    for name in ("wood.png", "a.bphys", "smoke.VDB", "glow.oso", "protected.png"):
        (tmp_path / name).write_bytes(name.encode())
    os.utime(tmp_path / "glow.oso", (1000, 1000))
    (tmp_path / "protected.png").chmod(0o400)  # Windows would make the user's writable to delete a link to it
    (tmp_path / "link.png").symlink_to(tmp_path / "wood.png")
    names = ("wood.png", "a.bphys", "smoke.VDB", "glow.oso", "protected.png", "link.png")
    files = tuple(BundleFile(source=tmp_path / name, name=f"deep/er/{name}", size=8) for name in names)
    place = tmp_path / "place"
    lay_out(Bundle(root=tmp_path, files=files), place, check=lambda: None)
    laid = {name: place / "deep" / "er" / name for name in names}
    linked = {name: path.samefile(tmp_path / name) for name, path in laid.items()}
    assert [name for name, is_link in linked.items() if is_link] == ["wood.png", "link.png"]
    assert laid["glow.oso"].stat().st_mtime == 1000  # it is compiled anew if it is out of date, as in its own place
    assert laid["a.bphys"].read_bytes() == b"a.bphys" and not laid["link.png"].is_symlink()


def test_laying_out_can_be_cancelled_and_says_what_is_in_the_way(tmp_path: Path) -> None:
    gone = Bundle(root=tmp_path, files=(BundleFile(source=tmp_path / "gone.png", name="gone.png", size=1),))
    with pytest.raises(ProjectError, match=r"gone\.png cannot be laid out"):
        lay_out(gone, tmp_path / "place", check=lambda: None)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        lay_out(gone, tmp_path / "other", check=cancel.check)


def test_what_a_killed_check_left_is_removed_later(tmp_path: Path) -> None:
    old, new = tmp_path / "check-old", tmp_path / "check-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (time.time() - 100_000,) * 2)
    with scratch_folder(tmp_path):
        assert not old.exists() and new.exists()


@pytest.mark.parametrize(("share", "text"), [(0.1234, "12 %"), (0.999, "100 %"), (1e-9, "0.001 %"), (0.0456, "4.6 %")])
def test_a_share_never_looks_like_nothing(share: float, text: str) -> None:
    assert percent(share) == text
