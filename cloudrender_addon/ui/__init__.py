# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that imports bpy: the face of Cloudrender in Blender."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import bpy

from . import (
    announce,
    check_operators,
    command,
    image_build_operator,
    image_operators,
    job_operators,
    jobs_panel,
    lookup_operators,
    menus,
    monitor,
    panels,
    preferences,
    properties,
    render,
    results,
    startup,
    statusbar,
)

_MODULES: tuple[ModuleType, ...] = (
    preferences,
    properties,
    announce,
    monitor,
    job_operators,
    lookup_operators,
    render,
    check_operators,
    image_build_operator,
    image_operators,
    results,
    jobs_panel,
    panels,
    menus,
    statusbar,
    startup,
    command,
)
"""In this order; each has CLASSES, `register` and `unregister` as it needs them.

The command after startup, which empties the session as it goes: its handle in there is needed to remove it.
"""


def register() -> None:
    """Add everything to Blender."""
    for module in _MODULES:
        for cls in _classes(module):
            bpy.utils.register_class(cls)
        if add := getattr(module, "register", None):
            add()


def unregister() -> None:
    """Take everything back."""
    for module in reversed(_MODULES):
        if remove := getattr(module, "unregister", None):
            remove()
        for cls in reversed(_classes(module)):
            bpy.utils.unregister_class(cls)


def _classes(module: ModuleType) -> tuple[Any, ...]:
    return getattr(module, "CLASSES", ())
