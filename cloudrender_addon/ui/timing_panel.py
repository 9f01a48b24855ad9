# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of the Timing panel: how the machines of the chosen job got to their first frame. Nothing but drawing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import drawing, jobs_panel, timing_texts
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.job.summary import JobSummary


def draw(layout: Any, context: Context) -> None:
    """Draw a table for each machine."""
    job = jobs_panel.chosen_job(context)
    tables = _tables(job) if job else ()
    if not tables:
        layout.label(text="No machine yet" if job else "No jobs yet")
    for table in tables:
        _draw_table(layout.column(align=True), context, table)


def _tables(job: JobSummary) -> tuple[timing_texts.TimingTable, ...]:
    """Put together what was read from disk and what this Blender has heard since."""
    timings, running = {each.key: each for each in job.timings}, None
    if driven := SESSION.driven.get(job.job_id):
        timings |= driven.timed
        machine = driven.progress.machine
        if machine is not None and driven.ended is None:
            from ..backend.job.timing import timing_of  # noqa: PLC0415 - whoever has a job has loaded it

            running = timing_of(machine).key
    return timing_texts.tables(timings.values(), running=running, now=time.time())


def _draw_table(layout: Any, context: Context, table: timing_texts.TimingTable) -> None:
    layout.label(text=table.title)
    layout.label(text=table.image)
    drawing.figures(layout, "", "At", "Took")
    for row in table.rows:
        drawing.figures(layout, row.name, row.at, row.took)
    if table.hint:
        drawing.paragraph(layout, context, table.hint, icon="INFO")
