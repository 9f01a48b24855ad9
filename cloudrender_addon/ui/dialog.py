# SPDX-License-Identifier: GPL-3.0-or-later
"""The dialog before a render: which machine, which frames, what it will cost, what is in the way. Only drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend.errors import CloudrenderError
from ..backend.job.frames import counted, format_frames
from . import properties
from .problem import Problem

if TYPE_CHECKING:
    from bpy.types import Context

_SHOWN_PROBLEMS = 8


def draw(layout: Any, context: Context, *, animation: bool, problems: tuple[Problem, ...]) -> None:
    """Draw what the user agrees to with OK."""
    column = layout.column(align=True)
    for label, text in _facts(context, animation=animation):
        row = column.split(factor=0.25)
        name = row.row()
        name.alignment = "RIGHT"
        name.label(text=label)
        row.label(text=text)
    if problems:
        _draw_problems(layout, problems)


def _facts(context: Context, *, animation: bool) -> list[tuple[str, str]]:
    from .panel_parts import estimate_text, limits_text, machine_text  # noqa: PLC0415 - drawing parts of the panels

    try:
        frames = properties.frame_numbers(context.scene, animation=animation)
        text = f"{counted(len(frames))}: {format_frames(frames)}" if len(frames) > 1 else f"Frame {frames[0]}"
    except CloudrenderError as error:
        frames, text = (), error.message
    return [
        ("Machine", machine_text(context)),
        ("Frames", text if len(text) <= 60 else f"{text[:57]}…"),
        ("Estimate", estimate_text(context, frames=len(frames))),
        ("Limits", limits_text(context)),
    ]


def _draw_problems(layout: Any, problems: tuple[Problem, ...]) -> None:
    box = layout.box().column(align=True)
    for problem in problems[:_SHOWN_PROBLEMS]:
        row = box.row()
        row.alert = problem.level == "ERROR"
        row.label(text=problem.text, icon="CANCEL" if problem.level == "ERROR" else "ERROR")
        for name in problem.names:
            box.label(text=name, icon="BLANK1")
        fix = box.row()
        text = fix.row()
        text.active = False
        text.label(text=problem.fix, icon="BLANK1")
        if problem.operator:
            fix.operator(problem.operator, text="Fix", icon="CHECKMARK")
    if len(problems) > _SHOWN_PROBLEMS:
        box.label(text=f"and {len(problems) - _SHOWN_PROBLEMS} more", icon="BLANK1")
