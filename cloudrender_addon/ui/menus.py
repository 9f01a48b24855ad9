# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries in the Render menu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from bpy.types import Context


def _draw(menu: Any, _context: Context) -> None:
    column = menu.layout.column()
    column.separator()
    column.operator_context = "INVOKE_DEFAULT"
    column.operator("cloudrender.render", text="Render Image in Cloud", icon="RENDER_STILL").animation = False
    column.operator("cloudrender.render", text="Render Animation in Cloud", icon="RENDER_ANIMATION").animation = True


def register() -> None:
    """Add them, at the end."""
    bpy.types.TOPBAR_MT_render.append(_draw)


def unregister() -> None:
    """Remove them."""
    bpy.types.TOPBAR_MT_render.remove(_draw)
