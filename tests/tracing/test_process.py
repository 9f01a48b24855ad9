# SPDX-License-Identifier: GPL-3.0-or-later
"""The trace as it is started: a process of its own, two JSON files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import cloudrender_addon.tracing

pytestmark = [pytest.mark.blender, pytest.mark.timeout(300)]

_TRACE = Path(cloudrender_addon.tracing.__file__).with_name("trace.py")
_SECONDS = 240
"""Loading Blender takes two seconds, and with six of them on a computer with two cores twenty-six were seen."""

_BLENDS = Path(__file__).parents[1] / "data"

_AS_ON_WINDOWS = """
import ctypes, runpy, sys
import bpy

class CDLL(ctypes.CDLL):
    def __init__(self, name, *others, **more):
        assert "/" not in name  # as there: a TypeError if there is no name
        super().__init__(name, *others, **more)

ctypes.CDLL, sys.platform = CDLL, "win32"
runpy.run_path(sys.argv[1], run_name="__main__")
"""

_SAVED_MEANWHILE = """
import contextlib, json, os, sys
import bpy

sys.path.insert(0, sys.argv[1])
from cloudrender_addon.tracing import blend_copy, session
from cloudrender_addon.tracing.request import Request

os.chdir(sys.argv[2])
os.mkdir("project")
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.data.volumes.new("smoke").filepath = os.path.abspath("outside.vdb")
bpy.data.volumes[0].use_fake_user = True
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("project/main.blend"), compress=False)
bpy.data.objects.new("SavedLater", None).use_fake_user = True
bpy.ops.wm.save_as_mainfile(filepath=os.path.abspath("later.blend"), copy=True, compress=False, relative_remap=False)

@contextlib.contextmanager
def opened(path, *, scratch):
    with genuine(path, scratch=scratch) as copy:
        if os.path.exists("later.blend"):
            os.replace("later.blend", path)
        yield copy

genuine, blend_copy.opened = blend_copy.opened, opened
main = os.path.abspath("project/main.blend")
asked = Request(
    blend=main, original=main, project=os.path.dirname(main), name="main.blend", staging=os.path.abspath("s"), result=""
)
found = []
for _ in range(2):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    found.append({file["name"]: file["source"] for file in session.answer(asked)["files"]}["main.blend"])
with open("found.json", "w") as file:
    json.dump(found, file)
os._exit(0)
"""


_LIBRARIES = """
import contextlib, os, sys
import bpy

sys.path.insert(0, sys.argv[1])
from cloudrender_addon.tracing import session

folder = sys.argv[2]
bpy.ops.wm.read_factory_settings(use_empty=True)
for name in ("saved", "left"):
    bpy.data.objects.new(name, None).use_fake_user = True
    bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/{name}.blend", copy=True)
bpy.ops.wm.read_factory_settings(use_empty=True)
for name in ("saved", "left"):
    with bpy.data.libraries.load(f"{folder}/{name}.blend", link=True) as (_, wanted):
        wanted.objects = [name]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
bpy.ops.wm.save_as_mainfile(filepath=f"{folder}/scene.blend", relative_remap=True)
bpy.ops.wm.read_factory_settings(use_empty=True)

def link_everything(path):
    main = genuine(path)
    os.utime(f"{folder}/saved.blend")
    os.utime(f"{folder}/scene.blend")
    return main

genuine, session.link_everything = session.link_everything, link_everything
os.utime(f"{folder}/left.blend", ns=(1, 1))
os.utime(f"{folder}/scene.blend", ns=(2, 2))
session.main(__import__("pathlib").Path(sys.argv[3]))
"""


def _trace(python: Path, folder: Path, *, program: tuple[str, ...] = (), **request: Any) -> tuple[int, dict[str, Any]]:
    asked = {
        "blend": str(folder / "scene.blend"),
        "original": str(folder / "scene.blend"),
        "project": str(folder),
        "name": "scene.blend",
        "staging": str(folder / "staging"),
        "result": str(folder / "result.json"),
        **request,
    }
    (folder / "request.json").write_text(json.dumps(asked))
    done = subprocess.run(
        [python, *program, _TRACE, "--", folder / "request.json"], capture_output=True, timeout=_SECONDS, check=False
    )
    said = f"exit code {done.returncode}; {done.stdout.decode()}{done.stderr.decode()}"
    assert (folder / "result.json").exists(), f"no result: {said}"
    result = json.loads((folder / "result.json").read_text())
    assert done.returncode == 0 or "error" in result, said
    return done.returncode, result


def _as_it_is(path: Path, name: str) -> dict[str, Any]:
    status = path.stat()
    return {"name": name, "path": str(path), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def test_a_file_that_uses_nothing(blender_python: Path, version: str, tmp_path: Path) -> None:
    shutil.copy(_BLENDS / "tiny-4.2.blend", tmp_path / "scene.blend")
    code, result = _trace(blender_python, tmp_path)
    assert (code, result["blender"]) == (0, version)
    assert result["files"] == [{"source": str(tmp_path / "scene.blend"), "name": "scene.blend"}]
    assert result["blends"] == [_as_it_is(tmp_path / "scene.blend", "scene.blend")]
    assert not [key for key in ("missing", "left_out", "warnings", "scripts", "viewport_only") if result[key]]


@pytest.mark.parametrize("content", [b"BLENDER-v402 but not for long", b"", None])
def test_a_file_that_is_no_blend_is_a_clear_error(blender_python: Path, tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "scene.blend").write_bytes(content)
    code, result = _trace(blender_python, tmp_path)
    assert code == 0
    assert "scene.blend" in result["error"]["message"]
    assert result["error"]["hint"]


def test_it_ends_well_where_every_library_must_have_a_name(blender_python: Path, tmp_path: Path) -> None:
    shutil.copy(_BLENDS / "tiny-4.2.blend", tmp_path / "scene.blend")
    code, result = _trace(blender_python, tmp_path, program=("-c", _AS_ON_WINDOWS))
    assert code == 0
    assert "error" not in result


def test_a_file_that_is_saved_while_it_is_read_is_not_taken_for_what_it_was(
    blender_python: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside.vdb").write_bytes(b"smoke")
    program = [blender_python, "-c", _SAVED_MEANWHILE, Path(__file__).parents[2], tmp_path]
    done = subprocess.run(program, capture_output=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    first, second = map(Path, json.loads((tmp_path / "found.json").read_text()))
    assert first != second
    assert b"OBSavedLater" not in first.read_bytes() and b"OBSavedLater" in second.read_bytes()


def test_what_is_saved_while_it_is_read_is_not_told_as_what_was_read(blender_python: Path, tmp_path: Path) -> None:
    asked = {"blend": str(tmp_path / "scene.blend"), "original": str(tmp_path / "scene.blend"), "name": "scene.blend"}
    places = {"project": str(tmp_path), "staging": str(tmp_path / "staging"), "result": str(tmp_path / "result.json")}
    (tmp_path / "request.json").write_text(json.dumps({**asked, **places}))
    program = [blender_python, "-c", _LIBRARIES, Path(__file__).parents[2], tmp_path, tmp_path / "request.json"]
    done = subprocess.run(program, capture_output=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    blends = {blend["name"]: blend for blend in json.loads((tmp_path / "result.json").read_text())["blends"]}
    assert blends["left.blend"] == _as_it_is(tmp_path / "left.blend", "left.blend")
    assert blends["scene.blend"]["mtime_ns"] == 2 != (tmp_path / "scene.blend").stat().st_mtime_ns
    assert (blends["saved.blend"]["size"], blends["saved.blend"]["mtime_ns"]) == (-1, -1)
