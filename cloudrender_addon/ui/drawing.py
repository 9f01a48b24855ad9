# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's layouts lack: a fact in the columns of properties, and text that wraps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import texts

if TYPE_CHECKING:
    from bpy.types import Context

_LABEL_SHARE = 0.4  # as Blender splits properties
_CHARACTER = 6.3  # pixels of an average character of Blender's font at a scale of 1
_MARGINS = 40
_ICON = 20


def split(layout: Any) -> Any:
    """Return the layout with labels left of their properties."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout


def fact(layout: Any, label: str, value: str) -> Any:
    """Draw a label and its value as property split would; return the value's row, for a button at its end."""
    columns = layout.split(factor=_LABEL_SHARE)
    name = columns.row()
    name.alignment = "RIGHT"
    name.label(text=label)
    row = columns.row(align=True)
    row.label(text=value)
    return row


def paragraph(layout: Any, context: Context, text: str, *, icon: str = "NONE", share: float = 1.0) -> None:
    """Draw a text in as many lines as its `share` of the region's width asks for."""
    width = context.region.width if context.region else 300
    scale = context.preferences.system.ui_scale  # type: ignore[union-attr]
    room = width / scale * share - _MARGINS - (_ICON if icon != "NONE" else 0)
    column = layout.column(align=True)
    column.scale_y = 0.8
    for line in texts.wrapped(text, columns=int(room / _CHARACTER)):
        column.label(text=line, icon=icon)
        icon = "BLANK1" if icon != "NONE" else icon
