# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: files with something wrong with them, and what the preflight says of the one that is open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from enabled import part


def problems(*, animation: bool = True) -> list[Any]:
    """Return what is wrong, having seen that looking changed nothing."""
    before = session()
    found = list(part("ui.preflight").find_problems(bpy.context, animation=animation))
    assert session() == before
    for problem in found:
        assert problem.text and problem.fix and not problem.text.endswith(".") and not problem.fix.endswith("."), (
            problem
        )
        if problem.operator:
            room, _, name = problem.operator.partition(".")
            assert getattr(getattr(bpy.ops, room), name).get_rna_type()
    return found


def session() -> Any:
    """Return all that a look must leave alone."""
    kinds = [getattr(bpy.data, prop.identifier) for prop in bpy.data.bl_rna.properties if prop.type == "COLLECTION"]
    datablocks = [(one.name_full, one.users, getattr(one, "filepath", "")) for kind in kinds for one in kind]
    selected = [(one.name, one.select_get()) for one in bpy.context.scene.objects]
    scene = bpy.context.scene
    own = (bpy.data.filepath, bpy.data.is_dirty, scene.frame_current, scene.render.filepath, scene.render.engine)
    loaded = [(image.name, image.has_data, image.is_dirty) for image in bpy.data.images]
    return datablocks, selected, own, loaded, bpy.context.view_layer.objects.active


def only(found: list[Any]) -> Any:
    assert len(found) == 1, [problem.text for problem in found]
    return found[0]


def about(text: str, found: list[Any]) -> Any:
    return only([problem for problem in found if text in problem.text])


def save(folder: Path) -> Path:
    """Save the open file in a project folder; return that folder."""
    project = folder / "film"
    project.mkdir(exist_ok=True)
    bpy.context.scene.render.engine = "CYCLES"
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "scene.blend"))
    return project


def again(project: Path) -> None:
    """Save and load the file, as it is when it was opened."""
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(project / "scene.blend"))


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("made", 4, 4)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return path


def image(stored: str, *, name: str = "Wood", source: str = "FILE") -> Any:
    """Add an image that the scene uses."""
    made = bpy.data.images.new(name, 4, 4)
    made.source, made.filepath = source, stored
    return used(made)


def used(made: Any) -> Any:
    material = bpy.data.materials.new("Material of " + made.name)
    if material.node_tree is None:  # before 5.0
        material.use_nodes = True
    material.node_tree.nodes.new("ShaderNodeTexImage").image = made
    bpy.data.objects["Cube"].data.materials.append(material)
    return made


def whole_folder() -> None:
    bpy.context.scene.cloudrender.send = "FOLDER"
