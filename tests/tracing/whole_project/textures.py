# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as textures, in every way that an image can lie about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy

from tests.tracing.whole_project.parts import plane, textured
from tests.tracing.whole_project.stage import Stage

SCENE = "Textures"


def _load(path: Path) -> Any:
    return bpy.data.images.load(str(path))


def _show(stage: Stage, image: Any, stored: str, *, offset: int = 0) -> None:
    """Show an image whose path is noted as `stored`."""
    image.filepath = stored
    assert image.filepath == stored
    name = f"{image.name} +{offset}"
    stage.show(plane(name), SCENE, textured(name, image, offset=offset))


def formats(stage: Stage) -> None:
    """Image files below the project."""
    for name, file_format in (
        ("wood.png", "PNG"),
        ("photo.jpg", "JPEG"),
        ("float.exr", "OPEN_EXR"),
        ("old.tga", "TARGA"),
        ("print.tif", "TIFF"),
    ):
        path = stage.picture(stage.place(f"tex/{name}"), file_format=file_format)
        _show(stage, _load(path), stage.relative(path))
        stage.need(path, scene=SCENE)


def beside(stage: Stage) -> None:
    """An image beside the .blend."""
    path = stage.picture(stage.place("shots/beside.png"))
    _show(stage, _load(path), "//beside.png")
    stage.need(path, scene=SCENE)


def absolute(stage: Stage) -> None:
    """An image of the project noted with its absolute path."""
    path = stage.picture(stage.place("tex/absolute.png"))
    _show(stage, _load(path), str(path))
    stage.need(path, scene=SCENE)


def outside(stage: Stage) -> None:
    """Images outside the project, one with its absolute path, two of the same name."""
    first = stage.picture(stage.away("textures/plaster.png"))
    second = stage.picture(stage.away("more textures/plaster.png"))
    _show(stage, _load(first), stage.relative(first))
    _show(stage, _load(second), str(second))
    stage.need(first, second, scene=SCENE)


def missing(stage: Stage) -> None:
    """An image that is not there."""
    path = stage.picture(stage.place("tex/gone.png"))
    _show(stage, _load(path), stage.relative(path))
    path.unlink()
    stage.missing.append({"owner": "image gone.png", "path": str(path)})


def names(stage: Stage) -> None:
    """Images with spaces, letters of other alphabets, quotes and dots in their names."""
    for name in ("two words.png", "Bäume/größe.png", "木材/床.png", "it's $HOME; #1 & 'more'.png", "..dots...png"):
        path = stage.picture(stage.place(f"tex/{name}"))
        _show(stage, _load(path), stage.relative(path))
        stage.need(path, scene=SCENE)


def roundabout(stage: Stage) -> None:
    """An image whose path goes up and down again."""
    path = stage.picture(stage.place("tex/around.png"))
    _show(stage, _load(path), "//../tex/../shots/../tex//around.png")
    stage.need(path, scene=SCENE)


def windows_separators(stage: Stage) -> None:
    """An image whose path was noted on Windows."""
    path = stage.picture(stage.place("tex/from windows.png"))
    image = _load(path)
    image.filepath = "//..\\tex\\from windows.png"
    stage.show(plane("from windows"), SCENE, textured("from windows", image))
    stage.need(path, scene=SCENE)


def symbolic_links(stage: Stage) -> None:
    """A symbolic link to a file outside, and one to a folder outside."""
    real = stage.picture(stage.away("linked/real.png"))
    link = stage.place("tex/link.png")
    link.symlink_to(os.path.relpath(real, link.parent))
    _show(stage, _load(link), stage.relative(link))
    within = stage.picture(stage.away("linked folder/within.png"))
    stage.place("tex/folder").symlink_to(within.parent)
    path = stage.place("tex/folder/within.png")
    _show(stage, _load(path), stage.relative(path))
    stage.need(link, path, scene=SCENE)


def sequence(stage: Stage) -> None:
    """A sequence of images."""
    paths = [stage.picture(stage.place(f"tex/walk/walk_{number:04}.png")) for number in (1, 2, 3)]
    image = _load(paths[0])
    image.source = "SEQUENCE"
    for offset in range(3):
        _show(stage, image, stage.relative(paths[0]), offset=offset)
    stage.need(*paths, scene=SCENE)


def tiles(stage: Stage) -> None:
    """UDIM tiles, by <UDIM> and by <UVTILE>, the latter outside the project."""
    for token, path, numbers in (
        ("<UDIM>", stage.place("tex/skin.<UDIM>.png"), ("1001", "1002", "1012")),
        ("<UVTILE>", stage.away("tiles/cloth_<UVTILE>.png"), ("u1_v1", "u2_v1", "u2_v2")),
    ):
        image = bpy.data.images.new(path.name, 4, 4, tiled=True)
        image.source = "TILED"
        for number in (1002, 1012):
            image.tiles.new(number)
        files = [stage.picture(path.with_name(path.name.replace(token, number))) for number in numbers]
        image.filepath = stage.relative(path)
        stage.show(plane(path.name, uv=(2, 2)), SCENE, textured(path.name, image))
        stage.need(*files, scene=SCENE)


def movie(stage: Stage) -> None:
    """A movie as texture."""
    path = stage.movie(stage.place("tex/loop.mkv"))
    _show(stage, _load(path), stage.relative(path), offset=1)
    stage.need(path, scene=SCENE)


def only_in_the_viewport(stage: Stage) -> None:
    """An image behind the camera's view, and one on an empty: nothing of them is rendered."""
    behind = stage.picture(stage.place("tex/blueprint.png"))
    data = stage.scene(SCENE).camera.data
    data.show_background_images = True
    data.background_images.new().image = _load(behind)
    reference = stage.picture(stage.place("tex/reference.png"))
    empty = bpy.data.objects.new("reference", None)
    empty.empty_display_type = "IMAGE"
    empty.data = _load(reference)
    stage.show(empty, SCENE)
    for image, path in ((data.background_images[0].image, behind), (empty.data, reference)):
        image.filepath = stage.relative(path)
        stage.viewport_only.append(str(path))


ALL = (
    formats,
    beside,
    absolute,
    outside,
    missing,
    names,
    roundabout,
    windows_separators,
    symbolic_links,
    sequence,
    tiles,
    movie,
    only_in_the_viewport,
)
