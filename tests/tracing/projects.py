# SPDX-License-Identifier: GPL-3.0-or-later
"""The projects of the tests, made inside Blender."""

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


def blocks_with_paths():
    """Yield what the reports speak of."""
    yield from bpy.data.libraries
    yield from bpy.data.images
    for group in (bpy.data.movieclips, bpy.data.sounds, bpy.data.fonts, bpy.data.volumes, bpy.data.cache_files):
        yield from group


def more() -> dict:
    return {}


# -- the cases ------------------------------------------------------------------------------------------------


def images(project: Path) -> None:
    """Images of every spelling a path can have."""
    outside = project.parent / "elsewhere" / "textures"
    for path in ("tex/plain.png", "tex/Wood Grain.png", "tex/über/Ñandú 木.png", "tex/back.png", "up.png", "abs.png"):
        png(project / path)
    png(outside / "outside.png")
    png(project.parent / "shared.png")
    (project / "linked.png").symlink_to(outside / "outside.png")
    (project / "linked folder").symlink_to(outside)
    for number in (1, 2, 10, 12345):
        png(project / f"seq/frame_{number:04}.png")
    png(project / "seq/frame_x.png")
    for number in (1001, 1002, 1011):
        png(project / f"tiles/skin.{number}.png")
        png(project / f"tiles/uv_u{(number - 1001) % 10 + 1}_v{(number - 1001) // 10 + 1}.png")
    for name in ("packed", "empty", "brush", "unused"):
        png(project / f"no/{name}.png")
    save(project / "main.blend")
    image("plain", "//tex/plain.png")
    image("case", "//TEX/wood grain.PNG")
    image("unicode", "//tex/über/Ñandú 木.png")
    image("backslash", "//tex\\back.png")
    image("dots", "//tex/../tex/./../up.png")
    image("absolute", str(project / "abs.png"))
    image("outside", str(outside / "outside.png"))
    image("outside again", "//../shared.png")
    image("link", "//linked.png")
    image("in linked folder", "//linked folder/outside.png")
    image("through linked folder", "//linked folder/../textures/outside.png")
    image("sequence", "//seq/frame_0001.png", source="SEQUENCE")
    image("tiles", "//tiles/skin.<UDIM>.png", source="TILED")
    image("uvtiles", "//tiles/uv_<UVTILE>.png", source="TILED")
    image("missing", "//tex/nowhere.png")
    image("windows", "C:\\textures\\far.png")
    png(project / "tex/\x01\udcff.png")
    image("strange", "//tex/\x01\udcff.png")
    packed = image("packed", "//no/packed.png")
    packed.pack()
    image("unused", "//no/unused.png", use=False).use_fake_user = True
    image("generated", "//no/generated.png", source="GENERATED")
    holder = bpy.data.objects.new("reference picture", None)
    holder.empty_display_type = "IMAGE"
    holder.data = image("empty", "//no/empty.png", use=False)
    bpy.context.scene.collection.objects.link(holder)
    texture = bpy.data.textures.new("brush texture", "IMAGE")
    texture.image = image("brush", "//no/brush.png", use=False)
    brush = bpy.data.brushes.new("brush")
    brush.texture = texture
    brush.use_fake_user = True
    save(project / "main.blend")


def libraries(project: Path) -> None:
    """The main file links a library outside, which links another with an absolute texture; a circle; a missing one."""
    outside = project.parent / "elsewhere"
    png(outside / "deep" / "wood.png")
    png(project / "props" / "stone.png")
    save(outside / "deep" / "deep.blend")
    made = thing("deep thing")
    image("wood", str(outside / "deep" / "WOOD.png"))
    image("not linked", "//not linked.png")
    made.data.materials.append(bpy.data.materials["material wood"])
    save(outside / "deep" / "deep.blend")

    empty()
    save(outside / "middle.blend")
    link(outside / "deep" / "deep.blend", "deep thing", relative=False)
    held = bpy.data.objects.new("middle thing", None)
    held.parent = bpy.data.objects["deep thing"]
    bpy.context.scene.collection.objects.link(held)
    save(outside / "middle.blend")

    empty()
    save(project / "props" / "untouched.blend")
    made = thing("stone thing")
    image("stone", "//stone.png")
    made.data.materials.append(bpy.data.materials["material stone"])
    save(project / "props" / "untouched.blend")

    empty()
    thing("lost thing")
    save(project / "lost.blend")

    empty()
    save(project / "main.blend")
    thing("main thing")
    save(project / "main.blend")

    empty()
    save(project / "circle.blend")
    link(project / "main.blend", "main thing")
    made = thing("circle thing")
    made.parent = bpy.data.objects["main thing"]
    save(project / "circle.blend")

    bpy.ops.wm.open_mainfile(filepath=str(project / "main.blend"))
    link(outside / "middle.blend", "middle thing", relative=False)
    link(project / "props" / "untouched.blend", "stone thing")
    link(project / "lost.blend", "lost thing")
    link(project / "circle.blend", "circle thing")
    save(project / "main.blend")
    (project / "lost.blend").unlink()


def untouched(project: Path) -> None:
    """All is where it should be: the user's own files are sent."""
    png(project / "tex/plain.png")
    save(project / "main.blend")
    image("plain", "//tex/plain.png")
    image("sequence", "//tex/plain.png", source="SEQUENCE")
    save(project / "main.blend")


def snapshot(project: Path) -> dict:
    """A copy that was saved elsewhere, its paths made relative to there."""
    png(project / "scenes" / "tex" / "plain.png")
    save(project / "scenes" / "main.blend")
    image("plain", "//tex/plain.png")
    copy = project.parent / "snapshot" / "main.blend"
    copy.parent.mkdir()
    save(project / "scenes" / "main.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(copy), copy=True, relative_remap=True)
    return {"blend": str(copy), "original": str(project / "scenes" / "main.blend"), "name": "scenes/main.blend"}


CASES = {case.__name__: case for case in (images, libraries, untouched, snapshot)}
