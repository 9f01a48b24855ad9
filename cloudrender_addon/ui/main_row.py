# SPDX-License-Identifier: GPL-3.0-or-later
"""The top of the panel, which changes its role: render buttons, progress, result. Always four rows, but for errors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import bpy

from ..backend.errors import MissingFilesError, UsageError
from ..backend.job.frames import counted
from ..backend.job.words import format_seconds
from . import drawing, machine_texts, panel_parts, progress_texts, properties, texts
from .package import PACKAGE
from .preferences import preferences
from .session import SESSION, DrivenJob

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.job import events as ev


def draw(layout: Any, context: Context) -> None:
    """Draw what the current job, or the absence of one, asks for."""
    job = SESSION.job
    if job is None:
        _idle(layout, context)
    elif job.ended is None:
        _running(layout, context, job)
    else:
        _ended(layout, context, job, job.ended)


def open_preferences(layout: Any, *, text: str, icon: str = "PREFERENCES", emboss: bool = True) -> None:
    """Draw a button that opens the preferences of this extension."""
    layout.operator("preferences.addon_show", text=text, icon=icon, emboss=emboss).module = PACKAGE


def _idle(layout: Any, context: Context) -> None:
    buttons = _tall(layout)
    buttons.operator("cloudrender.render", text="Render Image", icon="RENDER_STILL").animation = False
    buttons.operator("cloudrender.render", text="Render Animation", icon="RENDER_ANIMATION").animation = True
    rows = layout.column(align=True)
    if not bpy.app.online_access:
        rows.label(text="Blender is offline", icon="INTERNET_OFFLINE")
        rows.operator("screen.userpref_show", text="Allow Online Access", icon="PREFERENCES").section = "SYSTEM"
    elif not preferences().setup_done:
        rows.label(text="Not set up yet", icon="INFO")
        open_preferences(rows, text="Set Up")
    else:
        _summary(rows, context)


def _summary(rows: Any, context: Context) -> None:
    """Say in two rows what Render Animation means just now."""
    try:
        frames = len(properties.frame_numbers(context.scene, animation=True))
    except UsageError as error:
        rows.label(text=error.message, icon="ERROR")
        rows.label(text=error.hint, icon="BLANK1")
        return
    rows.label(text=f"{counted(frames)} on {machine_texts.any_of(properties.machine_types(context))}")
    rows.label(text=panel_parts.estimate_text(context, frames=frames))


def _running(layout: Any, context: Context, job: DrivenJob) -> None:
    now, progress = time.time(), job.progress
    rows = _tall(layout)
    row = rows.row(align=True)
    bar = progress_texts.bar(progress, cancelling=job.cancelling)
    row.progress(factor=bar.factor, text=bar.text, type="BAR")
    button = row.row(align=True)
    button.enabled = not job.cancelling
    button.operator("cloudrender.cancel", text="", icon="CANCEL").job_id = job.spec.job_id
    if job.notices:
        drawing.beginning(rows, context, job.notices[-1], icon="INFO")
    else:
        rows.label(text=_machine(job))
    pairs = layout.column(align=True)
    _pair(pairs, f"Elapsed {format_seconds(now - progress.started)}", f"Left {progress_texts.time_left(progress, now)}")
    _pair(pairs, f"Cost {texts.money(progress.cost_usd(now))}", f"In all {progress_texts.in_all(projected(job, now))}")


def _ended(layout: Any, context: Context, job: DrivenJob, ended: ev.JobEnded) -> None:
    job_id = job.spec.job_id
    ending = progress_texts.ending(ended, total=len(job.spec.frames))
    rows = _tall(layout)
    row = rows.row(align=True)
    title = row.row()
    title.alert = ending.alert
    title.label(text=ending.title, icon=ending.icon)
    row.operator("cloudrender.dismiss", text="", icon="X", emboss=False)
    row = rows.row(align=True)
    if isinstance(ended.error, MissingFilesError):
        row.operator("cloudrender.render_anyway", text="Render Anyway", icon="PLAY").job_id = job_id
        row.operator("file.find_missing_files", text="Find Missing Files", icon="VIEWZOOM")
    if ending.resume:
        row.operator("cloudrender.resume", text=ending.resume, icon="PLAY").job_id = job_id
    if ended.frames:
        row.operator("cloudrender.show_result", text="Show Result", icon="IMAGE_DATA").job_id = job_id
    if ending.alert:
        row.operator("cloudrender.open_log", text="" if ended.frames else "Open Log", icon="TEXT").job_id = job_id
    if ended.frames:
        row.operator("cloudrender.open_folder", text="", icon="FILE_FOLDER").job_id = job_id
    if ended.kept:
        row = layout.row(align=True)
        row.operator("cloudrender.copy_login", text="Copy Login", icon="COPYDOWN")
        row.operator("cloudrender.cancel", text="End Machine", icon="CANCEL").job_id = job_id
    if ending.alert:
        for name in ending.names:
            drawing.paragraph(layout, context, name, icon="DOT")
        drawing.paragraph(layout, context, ending.text)
        drawing.paragraph(layout, context, ending.hint)
    else:
        lines = layout.column(align=True)
        lines.label(text=ending.text or f"Saved in {job.spec.output.name}")
        lines.label(text=f"Took {format_seconds(ended.at - job.progress.started)}")


def projected(job: DrivenJob, now: float) -> float | None:
    """Return what a running job will have cost, None as long as nobody knows."""
    from ..backend.job.estimate import projected_usd  # noqa: PLC0415 - of no use before the first job

    return projected_usd(job.progress, now)


def projected_data_out(job: DrivenJob) -> float | None:
    """Return what the way back of the job's frames costs at most, None as long as nobody knows."""
    from ..backend.job.estimate import projected_data_out_usd  # noqa: PLC0415 - likewise

    return projected_data_out_usd(job.progress)


def _tall(layout: Any) -> Any:
    """Return a column for the two upper rows, which are what the panel is for."""
    column = layout.column(align=True)
    column.scale_y = 1.25
    return column


def _machine(job: DrivenJob) -> str:
    machine = job.progress.machine
    if machine is None:
        return machine_texts.any_of(job.spec.settings.instance_types)
    return f"{machine.offer.instance_type} in {machine.zone or machine.region}"


def _pair(layout: Any, left: str, right: str) -> None:
    row = layout.row()
    row.label(text=left)
    row.label(text=right)
