# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a project that uses files in every way that Blender knows.

`PYTHON_OF_BPY -m tests.tracing.whole_project FOLDER` makes FOLDER/project and FOLDER/elsewhere, and FOLDER/snapshot: a
copy of the open session, saved as it is before a job. The last line that it prints is JSON: `Stage.as_json`.
"""

import json
import os
import sys
from pathlib import Path

import bpy

from tests.tracing.whole_project import editing, geometry, libraries, nodes, shading, simulations, textures
from tests.tracing.whole_project.stage import Stage


def build(folder: Path) -> Stage:
    stage = Stage(folder)
    for kind in libraries.LIBRARIES:
        stage.run(kind)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    stage.blend.parent.mkdir(parents=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(stage.blend))  # paths are noted relative to it
    for room in (textures, geometry, simulations, nodes, shading, libraries, editing):
        for kind in room.ALL:
            stage.run(kind)
    for name in ("workshop", "Scene"):
        bpy.data.scenes.remove(bpy.data.scenes[name])
    bpy.context.window_manager.windows[0].scene = bpy.data.scenes[editing.EDIT]
    bpy.ops.wm.save_as_mainfile(filepath=str(stage.blend), relative_remap=False)
    stage.run(the_file)
    return stage


def the_file(stage: Stage) -> None:
    """The .blend itself."""
    stage.need(stage.blend, scene=textures.SCENE)


def take_snapshot(folder: Path) -> None:
    folder.mkdir()
    path = folder / Path(bpy.data.filepath).name
    bpy.ops.wm.save_as_mainfile(
        filepath=str(path), copy=True, compress=False, relative_remap=True, check_existing=False
    )


def main(folder: Path) -> None:
    stage = build(folder)
    take_snapshot(folder / "snapshot")
    print(f"\n{json.dumps(stage.as_json())}", flush=True)
    os._exit(0)  # Blender 4.2 may crash on the way out


main(Path(sys.argv[1]).resolve())
