# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Blender versions differ in what a trace asks of them."""

from __future__ import annotations

from typing import Any


def all_strips(scene: Any) -> list[Any]:
    """Return all strips of a scene, those within meta strips included. They were "sequences" before 4.4."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all)


def is_archive(library: Any) -> bool:
    """Tell whether a library stands for what is packed of it in another .blend, from 5.0 on."""
    return bool(getattr(library, "is_archive", False))
