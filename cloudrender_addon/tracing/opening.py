# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening .blends, and saving copies of them."""

from __future__ import annotations

import os
from pathlib import Path

import bpy


class CannotOpen(Exception):
    """Blender cannot read a .blend; the message is the cause, `hint` the remedy."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def open_blend(path: str) -> None:
    """Open a .blend without its windows and without running its scripts. Raises `CannotOpen`."""
    name = os.path.basename(path)
    said = ""
    try:
        bpy.ops.wm.open_mainfile(filepath=path, load_ui=False, use_scripts=False, display_file_selector=False)
    except RuntimeError as error:
        said = str(error)
    if said or os.path.realpath(bpy.data.filepath or os.devnull) != os.path.realpath(path):
        if not os.path.exists(path):
            raise CannotOpen(f"{name} is not there", hint="Save the file, and try again.")
        raise CannotOpen(
            f"Blender {bpy.app.version_string} cannot read {name}: it is damaged, no .blend, or from a newer Blender",
            hint="Open it in the Blender that made it, and save it again.",
        )


def save_copy(target: Path) -> None:
    """Save the open file to `target`, whole or not at all, with its paths as they are.

    Raises `OSError`, `RuntimeError`.
    """
    beside = target.with_name(f"{target.stem}.part.blend")
    beside.unlink(missing_ok=True)
    bpy.ops.wm.save_as_mainfile(
        filepath=str(beside), copy=True, compress=False, relative_remap=False, check_existing=False
    )
    os.replace(beside, target)
