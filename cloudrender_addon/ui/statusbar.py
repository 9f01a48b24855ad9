# SPDX-License-Identifier: GPL-3.0-or-later
"""A word about the running job in the status bar, and about a machine image under way, with buttons to cancel them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import bpy

from . import image_texts, progress_texts
from .session import SESSION, Baking

if TYPE_CHECKING:
    from bpy.types import Context


def _draw(header: Any, _context: Context) -> None:
    if SESSION.baking is not None:
        _draw_baking(header, SESSION.baking)
    job = SESSION.job
    if job is None or job.ended is not None:
        return
    row = header.layout.row(align=True)
    row.label(
        text=progress_texts.status_line(job.progress, time.time(), cancelling=job.cancelling), icon="RENDER_ANIMATION"
    )
    button = row.row(align=True)
    button.enabled = not job.cancelling
    button.separator()
    button.label(text="", icon="EVENT_ESC")
    button.separator(factor=2)  # the sign is wider than the place an icon gets
    button.operator("cloudrender.cancel", text="", icon="CANCEL", emboss=False).job_id = job.spec.job_id


def _draw_baking(header: Any, baking: Baking) -> None:
    row = header.layout.row(align=True)
    row.label(text=image_texts.status_line(baking, time.time()), icon="DISK_DRIVE")
    button = row.row(align=True)
    button.enabled = not baking.cancel.noted
    button.operator("cloudrender.cancel_image", text="", icon="CANCEL", emboss=False)


def redraw() -> None:
    """Draw the status bars anew, which are in no list of areas; not while another operator may show its hints there."""
    manager: Any = bpy.context.window_manager
    for window in manager.windows:
        if not all(operator.bl_idname.startswith("CLOUDRENDER_OT_") for operator in window.modal_operators):
            continue
        with bpy.context.temp_override(window=window):
            window.workspace.status_text_set_internal(None)  # none is set: this only redraws


def register() -> None:
    """Add it."""
    bpy.types.STATUSBAR_HT_header.append(_draw)


def unregister() -> None:
    """Remove it."""
    bpy.types.STATUSBAR_HT_header.remove(_draw)
