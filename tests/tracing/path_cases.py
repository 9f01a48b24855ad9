# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects: images and libraries, whatever way their paths are spelt."""

from __future__ import annotations

from pathlib import Path

import bpy

from tests.tracing.making import away, empty, image, link, png, save, thing


def images(project: Path) -> None:
    """Images of every spelling a path can have."""
    outside = project.parent / "elsewhere" / "textures"
    for path in ("tex/plain.png", "tex/Wood Grain.png", "tex/über/Ñandú 木.png", "tex/back.png", "up.png", "abs.png"):
        png(project / path)
    png(outside / "outside.png")
    png(project.parent / "outer.png")
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
    image("outside again", "//../outer.png")
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


def packed(project: Path) -> None:
    """Datablocks that are packed and still a library's, from 5.0 on; the main file has a path of the same spelling."""
    outside = away(project)
    png(outside / "tex/wood.png")
    save(outside / "library.blend")
    made = thing("wooden thing")
    image("wood", "//tex/wood.png")
    made.data.materials.append(bpy.data.materials["material wood"])
    save(outside / "library.blend")
    empty()
    png(project / "tex/wood.png")
    png(project / "abs.png")
    save(project / "main.blend")
    image("own", "//tex/wood.png")
    image("absolute", str(project / "abs.png"))
    options = {"pack": True} if bpy.app.version >= (5, 0) else {}
    with bpy.data.libraries.load(str(outside / "library.blend"), link=True, relative=True, **options) as (_, wanted):
        wanted.materials = ["material wood"]
    thing("user").data.materials.append(wanted.materials[0])
    save(project / "main.blend")
    if options:
        assert wanted.materials[0].is_linked_packed
        (outside / "library.blend").unlink()
