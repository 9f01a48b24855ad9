# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: files that need add-ons, each with its picture as it is here, and the add-ons that go along.

In $HOME/NAME: `NAME.blend`, `here.png`, `snapshot/`. Reports of each what the job's record has of its add-ons.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
import addon_utils
from enabled import enable, part
from sample_addons import module_of

FRAME = 3
REPORT = Path(sys.argv[1])

for said in (1, 2):
    os.dup2(os.open(os.devnull, os.O_WRONLY), said)
enable()
bpy.context.preferences.filepaths.use_scripts_auto_execute = True


def glow(name: str) -> None:
    material = bpy.data.objects["Cube"].active_material
    if material.node_tree is None:  # before 5.0
        material.use_nodes = True
    tree = material.node_tree
    tree.links.new(tree.nodes.new(f"{name}_glow").outputs[0], tree.nodes["Material Output"].inputs[0])


def lift() -> None:
    bpy.context.scene.lift.height = 1.5


def wobble() -> None:
    bpy.data.objects["Cube"].driver_add("location", 2).driver.expression = "wobble(frame)"


def tilt() -> None:
    cube = bpy.data.objects["Cube"]
    cube.tilt = 1.0
    driver = cube.driver_add("rotation_euler", 0).driver
    target = driver.variables.new().targets[0]
    target.id, target.data_path, driver.expression = cube, "tilt", "var"


def flat() -> None:
    bpy.context.scene.render.engine = "FLAT"


def make(module: str, change: Any) -> list[dict[str, Any]]:
    name = module.rpartition(".")[2]
    folder = REPORT.parent / name
    folder.mkdir()
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    scene: Any = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x = scene.render.resolution_y = 32
    assert addon_utils.enable(module, default_set=True)
    change()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / f"{name}.blend"))
    scene.frame_current = FRAME
    scene.render.filepath = str(folder / "here.png")
    bpy.ops.render.render(write_still=True)
    addons = part("ui.addons")
    taken = addons.take_along(addons.needed_addons(scene), folder / "snapshot")
    bpy.ops.wm.read_homefile(use_factory_startup=True)  # 4.2 crashes on nodes that have lost their class
    addon_utils.disable(module, default_set=True)
    return [part("backend.assets.addons").to_json(addon) for addon in taken]


made = {
    name: make(module, change)
    for name, module, change in (
        ("bricks", module_of("bricks"), lambda: glow("bricks")),
        ("broken", module_of("broken"), lambda: glow("broken")),
        ("lifter", module_of("lifter"), lift),
        ("wobbly", module_of("wobbly"), wobble),
        ("tilter", module_of("tilter"), tilt),
        ("flat", module_of("flat"), flat),
        ("oldstyle", "oldstyle", lambda: glow("oldstyle")),
        ("oldfolder", "oldfolder", lambda: glow("oldfolder")),
    )
}
REPORT.write_text(json.dumps(made), encoding="utf-8")
os._exit(0)
