# SPDX-License-Identifier: GPL-3.0-or-later
"""What the projects of the tests are made of, inside Blender."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c6338e1a0000002fc01295161b2ac0000000049454e44ae426082"
)


def empty() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(path), relative_remap=False)


def png(path: Path | str) -> str:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(PNG)
    return str(path)


def image(name: str, stored: str, *, source: str = "FILE", use: bool = True) -> bpy.types.Image:
    """Make an image datablock with a stored path, used by a material."""
    made = bpy.data.images.new(name, 1, 1, tiled=source == "TILED")
    made.source = source
    made.filepath_raw = stored
    if use:
        node = material(f"material {name}").node_tree.nodes.new("ShaderNodeTexImage")
        node.image = made
    return made


def material(name: str) -> bpy.types.Material:
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    made.use_fake_user = True
    return made


def thing(name: str) -> bpy.types.Object:
    """Make an object with a material of its name."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def link(library: Path, *names: str, relative: bool = True) -> None:
    """Link objects into the open file's scene, which must be saved if the path is to be relative."""
    with bpy.data.libraries.load(str(library), link=True, relative=relative) as (_, wanted):
        wanted.objects = list(names)
    for made in wanted.objects:
        bpy.context.scene.collection.objects.link(made)


def put(path: Path, content: bytes = b"-") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def font(path: Path) -> None:
    """Copy one of Blender's own fonts: it reads what it is to use as a font."""
    fonts = Path(bpy.utils.resource_path("LOCAL"), "datafiles", "fonts")
    put(path, next(fonts.glob("*.woff2")).read_bytes())


def away(project: Path) -> Path:
    """Return a folder outside the project."""
    return project.parent / "elsewhere"
