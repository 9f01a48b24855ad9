# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs on this computer, and what can be done with the chosen one.

Blender's lists show collections of its own: `mirror_jobs` keeps one of names beside `SESSION.summaries`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import bpy
from bpy.app.handlers import persistent
from bpy.props import CollectionProperty, IntProperty, PointerProperty

from . import job_list_texts
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.job.summary import JobSummary

_ROWS = 4


class CLOUDRENDER_PG_job(bpy.types.PropertyGroup):  # noqa: N801 - Blender's naming rule
    """A row: its name is the job's."""


class CLOUDRENDER_PG_jobs(bpy.types.PropertyGroup):  # noqa: N801 - Blender's naming rule
    """The rows, and which one is chosen."""

    rows: CollectionProperty(  # type: ignore[valid-type]
        type=CLOUDRENDER_PG_job, name="Jobs", description="Jobs started from this computer, the latest first"
    )
    chosen: IntProperty(name="Job", description="Job that the buttons below are about", options=set())  # type: ignore[valid-type]


class CLOUDRENDER_UL_jobs(bpy.types.UIList):  # noqa: N801 - Blender's naming rule
    """Jobs: state, file, frames, cost, age."""

    def draw_item(  # type: ignore[override]  # Blender calls it with as many as it takes
        self, _context: Context, layout: Any, _data: Any, item: Any, _icon: int, _active: Any, _property: str
    ) -> None:
        """Draw one row."""
        job = _summary(item.name)
        if job is None:  # forgotten a moment ago
            layout.label(text=item.name)
            return
        row = job_list_texts.job_row(job, _live(job), now=time.time())
        split = layout.split(factor=0.4)
        split.label(text=row.name, icon=row.icon)
        figures = split.row(align=True)
        for figure in (row.frames, row.cost, row.age):
            cell = figures.row()
            cell.alignment = "RIGHT"
            cell.label(text=figure)


def draw(layout: Any, context: Context) -> None:
    """Draw the list, a word about the chosen job, and the buttons."""
    jobs: Any = context.window_manager.cloudrender  # type: ignore[union-attr]
    row = layout.row()
    row.template_list("CLOUDRENDER_UL_jobs", "", jobs, "rows", jobs, "chosen", rows=_ROWS, maxrows=_ROWS)
    side = row.column(align=True)
    job = chosen_job(context)
    live = _live(job) if job else None
    can = job_list_texts.possible(job, live)
    side.operator("cloudrender.refresh_jobs", text="", icon="FILE_REFRESH")
    _button(side, "open_log", job, icon="TEXT", enabled=can.log)
    _button(side, "forget", job, icon="TRASH", enabled=can.forget)
    about = layout.column(align=True)
    lines = job_list_texts.job_lines(job, live, now=time.time()) if job else ("No jobs yet", "")
    for line in lines:
        about.label(text=line)
    buttons = layout.column(align=True)
    row = buttons.row(align=True)
    _button(row, "show_result", job, text="Show Result", icon="IMAGE_DATA", enabled=can.show)
    _button(row, "open_folder", job, text="Open Folder", icon="FILE_FOLDER", enabled=can.folder)
    _button(buttons, "resume", job, text="Resume Missing Frames", icon="PLAY", enabled=can.resume)
    _button(buttons, "cancel", job, text="Cancel Job", icon="CANCEL", enabled=can.cancel)


def chosen_job(context: Context) -> JobSummary | None:
    """Return the job that is chosen in the list."""
    jobs: Any = context.window_manager.cloudrender  # type: ignore[union-attr]
    return _summary(jobs.rows[jobs.chosen].name) if 0 <= jobs.chosen < len(jobs.rows) else None


def mirror_jobs() -> None:
    """Let the list show `SESSION.summaries`; the chosen job stays the chosen one, but for one that has just begun.

    For the main thread.
    """
    jobs: Any = bpy.context.window_manager.cloudrender  # type: ignore[union-attr]
    names = [job.job_id for job in SESSION.summaries]
    before = [row.name for row in jobs.rows]
    if before == names:
        return
    chosen = before[jobs.chosen] if 0 <= jobs.chosen < len(before) else ""
    if SESSION.current in names and SESSION.current not in before:
        chosen = SESSION.current
    jobs.rows.clear()
    for name in names:
        jobs.rows.add().name = name
    jobs.chosen = names.index(chosen) if chosen in names else 0


def _button(layout: Any, what: str, job: JobSummary | None, *, icon: str, enabled: bool, text: str = "") -> None:
    place = layout.row(align=True)
    place.enabled = enabled
    place.operator(f"cloudrender.{what}", text=text, icon=icon).job_id = job.job_id if job else ""


def _summary(job_id: str) -> JobSummary | None:
    return next((job for job in SESSION.summaries if job.job_id == job_id), None)


def _live(job: JobSummary) -> job_list_texts.Live | None:
    """Return what this Blender knows of a job it drives: newer than what was read from disk."""
    driven = SESSION.driven.get(job.job_id)
    if driven is None or driven.ended is not None:
        return None
    return job_list_texts.Live(progress=driven.progress, cancelling=driven.cancelling)


@persistent  # type: ignore[untyped-decorator]
def _after_load(_path: object, _unused: object = None) -> None:
    # The window manager's properties may go with the file that was open.
    mirror_jobs()


CLASSES = (CLOUDRENDER_PG_job, CLOUDRENDER_PG_jobs, CLOUDRENDER_UL_jobs)


def register() -> None:
    """Give the window manager its list."""
    manager_type: Any = bpy.types.WindowManager
    manager_type.cloudrender = PointerProperty(type=CLOUDRENDER_PG_jobs)  # type: ignore[func-returns-value]
    bpy.app.handlers.load_post.append(_after_load)


def unregister() -> None:
    """Take it away."""
    bpy.app.handlers.load_post.remove(_after_load)
    manager_type: Any = bpy.types.WindowManager
    del manager_type.cloudrender
