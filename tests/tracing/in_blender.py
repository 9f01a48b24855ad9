# SPDX-License-Identifier: GPL-3.0-or-later
"""`python in_blender.py FOLDER`, with bpy: build every case, trace it, unpack its bundle elsewhere, say what is there.

One process for all cases, since starting Blender takes longer than they do.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

import bpy

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from cloudrender_addon.tracing import session  # noqa: E402
from cloudrender_addon.tracing.request import Request  # noqa: E402
from tests.tracing import fact_cases, kind_cases, path_cases  # noqa: E402
from tests.tracing.looking import blocks_with_paths, other_paths  # noqa: E402
from tests.tracing.making import empty  # noqa: E402

CASES = (
    *(path_cases.images, path_cases.libraries, path_cases.untouched, path_cases.snapshot, path_cases.packed),
    *(kind_cases.datablocks, kind_cases.strips, kind_cases.modifiers, kind_cases.caches, kind_cases.nodes),
    *(kind_cases.lamps, fact_cases.simulations, fact_cases.foreign, fact_cases.stereo),
    *(fact_cases.bakes_of_a_snapshot, fact_cases.hostile),
)


def main(folder: Path) -> None:
    """Write `FOLDER/CASE/report.json` for each case."""
    for build in CASES:
        root = folder / build.__name__
        (root / "project").mkdir(parents=True)
        begun = time.monotonic()
        try:
            report = one(root, build)
        except Exception:  # noqa: BLE001 - one case less, and its test says why
            report = {"failed": traceback.format_exc()}
        report["seconds"] = time.monotonic() - begun
        (root / "report.json").write_text(json.dumps(report), encoding="ascii")


def one(root: Path, build) -> dict:
    """Build and trace one case."""
    empty()
    project = root / "project"
    request = build(project)
    before = _stat_of_all(root)
    asked = Request(
        **{
            "blend": str(project / "main.blend"),
            "original": str(project / "main.blend"),
            "project": str(project),
            "name": "main.blend",
            "staging": str(root / "staging"),
            "result": "",
            **(request or {}),
        }
    )
    begun = time.monotonic()
    empty()
    result = session.answer(asked)
    report = {
        "result": result,
        "trace": time.monotonic() - begun,
        "touched": _stat_of_all(root, but="staging") != before,
    }
    copies = _stat_of_all(root / "staging")
    empty()
    report["again"] = session.answer(asked) == result and _stat_of_all(root / "staging") == copies
    if "error" not in result:
        unpacked = root / "unpacked"
        for file in result["files"]:
            target = unpacked / file["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file["source"], target)
        shutil.move(project, root / "gone")  # nothing of the original is to be found by accident
        report["unpacked"] = str(unpacked / asked.name)
        report["there"] = opened(unpacked / asked.name, unpacked)
    return report


def opened(blend: Path, unpacked: Path) -> dict:
    """Open the .blend of an unpacked bundle and say of each path whether it leads into the bundle."""
    with contextlib.suppress(RuntimeError):  # a library that cannot be read
        bpy.ops.wm.open_mainfile(filepath=str(blend), load_ui=False, use_scripts=False)
    assert bpy.data.filepath == str(blend)
    said = {}
    for block in blocks_with_paths():
        path = os.path.normpath(bpy.path.abspath(block.filepath, library=block.library))
        found = os.path.exists(path) and os.path.realpath(path).startswith(os.path.realpath(unpacked))
        said[f"{block.id_type} {block.name}"] = {"stored": block.filepath, "found": found}
    said["objects"] = {one.name: not one.is_missing for one in bpy.data.objects}
    said["more"] = other_paths()
    return said


def _stat_of_all(root: Path, but: str = "") -> list:
    found = []
    for folder, folders, files in os.walk(root):
        if but in folders:
            folders.remove(but)
        found += [(folder, name, os.stat(f"{folder}/{name}", follow_symlinks=False).st_mtime_ns) for name in files]
    return sorted(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # Blender 4.2 may crash on the way out
