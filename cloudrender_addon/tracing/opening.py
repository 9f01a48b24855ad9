# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting a .blend into memory without anything being computed.

Opening it would evaluate its scene: that takes as long as the scene is heavy, steps simulations that are not baked, and
writes into their caches. Linking all that is in it reads the same datablocks and what they link, and does nothing more.
"""

from __future__ import annotations

import os
from typing import Any

import bpy

from .compat import is_archive

_FOR_THE_INTERFACE = {"brushes", "paint_curves", "palettes", "screens", "window_managers", "workspaces"}


class CannotOpen(Exception):
    """Blender cannot read a .blend; the message is the cause, `hint` the remedy."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def link_everything(path: str) -> Any:
    """Link all datablocks of a .blend and return its library. Raises `CannotOpen`."""
    libraries: Any = bpy.data.libraries
    kinds: list[str] = []
    try:
        with libraries.load(path, link=True, relative=False) as (there, wanted):
            for kind in dir(wanted):
                names = getattr(there, kind, None)
                if isinstance(names, list) and kind not in _FOR_THE_INTERFACE:
                    setattr(wanted, kind, list(names))
                    kinds.append(kind)
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise _cannot_open(path) from error
    # The names have become the datablocks. What is packed of other libraries belongs to these.
    linked = [block.library for kind in kinds for block in getattr(wanted, kind) if block is not None]
    library = next((one for one in linked if one is not None and not is_archive(one)), None)
    if library is None:
        raise _cannot_open(path)
    return library


def _cannot_open(path: str) -> CannotOpen:
    name = os.path.basename(path)
    if not os.path.exists(path):
        return CannotOpen(f"{name} is not there", hint="Save the file, and try again.")
    return CannotOpen(
        f"Blender {bpy.app.version_string} cannot read {name}: it is damaged, no .blend, or from a newer Blender",
        hint="Open it in the Blender that made it, and save it again.",
    )
