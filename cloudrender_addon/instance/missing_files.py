# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: say which images and libraries of the open file are not here; Blender itself renders on without."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import bpy

_NAMED = 5
_SOURCES = ("FILE", "SEQUENCE", "MOVIE", "TILED")


def missing_notes() -> list[str]:
    """Return one sentence that names what is used, not packed and not on this machine; none if all is here."""
    missing = sorted({*_missing_libraries(), *_missing_images()})
    if not missing:
        return []
    more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    text = f"Not found on the machine, so pink or missing in the frames: {', '.join(missing[:_NAMED])}{more}."
    return [text.encode("utf-8", errors="replace").decode()]  # a file's name may be no text


def _missing_libraries() -> Iterator[str]:
    data: Any = bpy.data
    for library in data.libraries:
        # Since 4.3 Blender links the brush in hand from its own assets: nothing that is rendered.
        needed = any(not isinstance(one, bpy.types.Brush) for one in library.users_id)
        if needed and not library.packed_file and not os.path.exists(_here(library.filepath)):  # noqa: PTH110
            yield f"{library.name} ({library.filepath})"


def _missing_images() -> Iterator[str]:
    data: Any = bpy.data
    for image in data.images:
        outside = image.source in _SOURCES and image.filepath and not image.packed_file and not len(image.packed_files)
        if outside and image.users > image.use_fake_user and not _is_here(image):
            yield f"{image.name} ({image.filepath})"


def _is_here(image: Any) -> bool:
    """Tell whether an image's file is here: every tile, but any number of a sequence."""
    path = _here(image.filepath, library=image.library)
    if image.source == "TILED":
        return all(os.path.exists(_tile(path, tile.number)) for tile in image.tiles)  # noqa: PTH110
    return os.path.exists(path) or (image.source == "SEQUENCE" and _has_numbers(path))  # noqa: PTH110


def _tile(path: str, number: int) -> str:
    u, v = (number - 1001) % 10 + 1, (number - 1001) // 10 + 1
    return path.replace("<UDIM>", str(number)).replace("<UVTILE>", f"u{u}_v{v}")


def _has_numbers(path: str) -> bool:
    folder, name = os.path.split(path)
    number = re.fullmatch(r"(.*?)\d+(\D*)", name)
    if not number or not os.path.isdir(folder):  # noqa: PTH112
        return False
    before, after = map(re.escape, number.groups())
    return any(re.fullmatch(rf"{before}\d+{after}", other) for other in os.listdir(folder))  # noqa: PTH208


def _here(stored: str, *, library: Any = None) -> str:
    """Return where Blender looks for a file; one saved on Windows may have backslashes."""
    return os.path.normpath(bpy.path.abspath(stored.replace("\\", "/"), library=library))
