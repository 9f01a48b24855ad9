# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of the Files panel: what is sent, and Check Snapshot. Nothing but drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import check_images, drawing, texts
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context

    from .session import Checked

_TITLES = {"OPEN_FILE": "Open File", "BUNDLE": "Bundle", "DIFFERENCE": "Difference"}


def draw(layout: Any, context: Context) -> None:
    """Draw the panel."""
    scene: Any = context.scene
    drawing.split(layout).prop(scene.cloudrender, "send")
    if SESSION.checking is not None:
        row = layout.row(align=True)
        row.label(text=f"{SESSION.checking.doing}…", icon="SORTTIME")
        row.operator("cloudrender.cancel_check", text="", icon="CANCEL")
    else:
        layout.operator("cloudrender.check_snapshot", icon="VIEWZOOM")
    if SESSION.checked is not None:
        _draw_checked(layout, context, SESSION.checked)


def _draw_checked(layout: Any, context: Context, checked: Checked) -> None:
    identical = checked.result is not None and checked.result.identical
    box = layout.box().column()
    row = box.row(align=True)
    title = row.row()
    title.alert = not identical
    title.label(text=_title(checked), icon="CHECKMARK" if identical else "ERROR")
    row.operator("cloudrender.dismiss_check", text="", icon="X", emboss=False)
    if checked.result is not None:
        if not identical:
            said = checked.result.verdict
            drawing.paragraph(box, context, said.partition(": ")[2] or said)  # the title says the beginning
            drawing.paragraph(box, context, checked.result.hint)
        buttons = box.row(align=True)
        for kind in check_images.kinds(checked.result):
            buttons.operator("cloudrender.show_check", text=_TITLES[kind]).picture = kind
        for path in texts.listed(checked.result.reached):
            drawing.paragraph(box, context, f"Outside: {path}", icon="DOT")
    elif checked.error is not None:
        drawing.paragraph(box, context, checked.error.message)
        drawing.paragraph(box, context, checked.error.hint)
    for name in texts.listed(checked.missing):
        drawing.paragraph(box, context, f"Missing: {name}", icon="DOT")
    for note in texts.listed(checked.notes):
        drawing.paragraph(box, context, note, icon="INFO")


def _title(checked: Checked) -> str:
    result = checked.result
    if result is None:
        return "Not Checked"
    if result.differing is None:
        return "No Picture"
    if result.differing:
        return f"Different: {checked.blend}"
    return f"Identical: {checked.blend}" if result.identical else f"Leads Outside: {checked.blend}"
