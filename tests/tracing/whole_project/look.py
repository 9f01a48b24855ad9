# SPDX-License-Identifier: GPL-3.0-or-later
"""Render scenes of a .blend and tell what their pixels are.

`PYTHON_OF_BPY -m tests.tracing.whole_project.look REQUEST.json`. What is asked: {"blend": path, "pictures":
[[scene, frame]…], "without": [[path, scene, frame]…], "result": path}. The result gets a line of JSON for each:
["pictures", "scene@frame", [key of each cell…]], then ["without", path, [key of each cell…]], which is rendered while
that file is not there; a .blend that cannot be rendered has no cells. Two pictures are pixel-identical if their keys
are the same. While a file is not there its name ends in .away, and after a crash it still does.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from tests.tracing.whole_project.stage import CELLS, PIXELS_PER_CELL


def cells_of(exr: Path) -> list[str]:
    """A key of the pixels of each cell, row by row from below."""
    image = bpy.data.images.load(str(exr))
    side = CELLS * PIXELS_PER_CELL
    assert tuple(image.size) == (side, side), image.size[:]
    pixels = np.empty(side * side * image.channels, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    cells = pixels.reshape(CELLS, PIXELS_PER_CELL, CELLS, -1).swapaxes(1, 2).reshape(CELLS * CELLS, -1)
    return [hashlib.sha256(cell.tobytes()).hexdigest()[:16] for cell in cells]


def picture(folder: Path, scene_name: str, frame: int) -> list[str]:
    scene = bpy.data.scenes[scene_name]
    bpy.context.window_manager.windows[0].scene = scene  # of others Blender renders the frame of the window's scene
    scene.frame_set(frame)
    settings = scene.render.image_settings
    if bpy.app.version >= (5, 0):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_depth, settings.exr_codec = "OPEN_EXR", "32", "ZIP"
    exr = folder / "picture.exr"
    exr.unlink(missing_ok=True)
    scene.render.filepath = str(exr)
    bpy.ops.render.render(write_still=True)
    return cells_of(exr)


def opened(blend: str) -> bool:
    bpy.ops.wm.open_mainfile(filepath=blend, load_ui=False, use_scripts=False)
    return bpy.data.filepath == blend


def picture_without(blend: str, folder: Path, scene: str, frame: int) -> list[str]:
    try:
        return picture(folder, scene, frame) if opened(blend) else []
    except RuntimeError:  # the .blend is not there, or its scene is not, which was in a library
        return []


def look(request: dict[str, Any], folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    blend = request["blend"]
    if request["pictures"]:
        assert opened(blend), blend
    for scene, frame in request["pictures"]:
        yield "pictures", f"{scene}@{frame}", picture(folder, scene, frame)
    for name, scene, frame in request["without"]:
        path = Path(name)
        away = path.with_name(f"{path.name}.away")
        path.rename(away)
        if path.suffix == ".osl":
            path.with_suffix(".oso").unlink(missing_ok=True)  # Cycles has put it there when it first rendered
        try:
            cells = picture_without(blend, folder, scene, frame)
        finally:
            away.rename(path)
        yield "without", name, cells


faulthandler.enable()
asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
with tempfile.TemporaryDirectory() as scratch, Path(asked["result"]).open("a", encoding="utf-8") as result:
    for seen in look(asked, Path(scratch)):
        result.write(json.dumps(seen) + "\n")
        result.flush()
os._exit(0)  # Blender 4.2 may crash on the way out
