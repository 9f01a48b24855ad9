# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's layouts lack: a fact in the columns of properties, and text that wraps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import texts

if TYPE_CHECKING:
    from bpy.types import Context

LINE = 0.8
"""Height of a line of text among others, where a button would be 1."""

_LABEL_SHARE = 0.4  # as Blender splits properties
_CHARACTER = 6.3  # pixels of an average character of Blender's font at a scale of 1
_MARGINS = 40
_ICON = 20
_USUAL_WIDTH = 300.0


def split(layout: Any) -> Any:
    """Return the layout with labels left of their properties."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout


def fact(layout: Any, label: str, text: str) -> Any:
    """Draw a label and a value in the columns of properties; return the value's row, for a button at its end."""
    row = value(layout, label)
    row.label(text=text)
    return row


def value(layout: Any, label: str) -> Any:
    """Draw a label in the column of those of properties; return the row for what it labels."""
    columns = layout.split(factor=_LABEL_SHARE)
    name = columns.row()
    name.alignment = "RIGHT"
    name.label(text=label)
    return columns.row(align=True)


def figures(layout: Any, label: str, *texts: str) -> None:
    """Draw a label in the column of those of properties, and figures beside it, in columns as wide as each other."""
    columns = layout.split(factor=_LABEL_SHARE)
    for count, text in enumerate((label, *texts)):
        left = len(texts) - count
        if count and left:
            columns = columns.split(factor=1 / (left + 1))
        cell = columns.row()
        cell.alignment = "RIGHT"
        cell.label(text=text)


def beginning(layout: Any, context: Context, text: str, *, icon: str = "NONE") -> None:
    """Draw as much of a text as one line takes: Blender would leave out its middle."""
    [first, *more] = texts.wrapped(text, columns=_columns(context, icon=icon, share=1.0)) or [""]
    layout.label(text=f"{first}…" if more else first, icon=icon)


def paragraph(layout: Any, context: Context, text: str, *, icon: str = "NONE", share: float = 1.0) -> None:
    """Draw a text in as many lines as its `share` of the region's width asks for."""
    column = layout.column(align=True)
    column.scale_y = LINE
    for line in texts.wrapped(text, columns=_columns(context, icon=icon, share=share)):
        column.label(text=line, icon=icon)
        icon = "BLANK1" if icon != "NONE" else icon


def _columns(context: Context, *, icon: str, share: float) -> int:
    """Return how many characters fit into a line."""
    width = _USUAL_WIDTH
    if context.region:
        width = context.region.width / context.preferences.system.ui_scale  # type: ignore[union-attr]
    room = width * share - _MARGINS - (_ICON if icon != "NONE" else 0)
    return int(room / _CHARACTER)
