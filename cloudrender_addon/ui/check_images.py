# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of Check Snapshot as images of the open file, each looked up anew by a mark of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import result_editors

if TYPE_CHECKING:
    from ..backend.snapshot_check import SnapshotCheck

NAMES = {
    "OPEN_FILE": "Cloudrender Check: Open File",
    "BUNDLE": "Cloudrender Check: Bundle",
    "DIFFERENCE": "Cloudrender Check: Difference",
}
_MARK = "cloudrender_check"


def is_ours(image: Any) -> bool:
    """Tell whether it is one of these images."""
    return bool(image.library is None and image.get(_MARK))


def kinds(result: SnapshotCheck) -> dict[str, Path]:
    """Return the pictures that were made, by their kind."""
    made = {"OPEN_FILE": result.open_file, "BUNDLE": result.bundle, "DIFFERENCE": result.difference}
    return {kind: path for kind, path in made.items() if path is not None}


def _there(result: SnapshotCheck) -> dict[str, Path]:
    return {kind: path for kind, path in kinds(result).items() if path.is_file()}


def show(result: SnapshotCheck) -> None:
    """Load the pictures, and show that of the bundle where the user wants to see renders. For the main thread."""
    there = _there(result)
    images: Any = bpy.data.images
    for image in [image for image in images if is_ours(image) and image[_MARK] not in there]:
        images.remove(image)  # of an earlier check
    loaded = {kind: _load(kind, path) for kind, path in there.items()}
    if image := loaded.get("BUNDLE") or loaded.get("OPEN_FILE"):
        _place(image, new_window=False)


def show_one(result: SnapshotCheck, kind: str) -> bool:
    """Show one of the pictures, in a new window if need be; False if it is not there any more."""
    path = _there(result).get(kind)
    if path is None:
        return False
    _place(_load(kind, path), new_window=True)
    return True


def _place(image: Any, *, new_window: bool) -> None:
    """Show the image in place of another one of these, or where there is room."""
    ours = [space for space in result_editors.spaces() if space.image is not None and is_ours(space.image)]
    if ours:
        ours[0].image = image
    else:
        result_editors.place(image, new_window=new_window)


def _load(kind: str, path: Path) -> Any:
    images: Any = bpy.data.images
    image = next((image for image in images if is_ours(image) and image[_MARK] == kind), None)
    if image is None:
        image = images.load(str(path), check_existing=False)
        image.name = NAMES[kind]
        image[_MARK] = kind
    else:
        image.filepath = str(path)  # also when it is the same: that makes Blender read it again
    return image
