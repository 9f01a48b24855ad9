# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs in words, and what can be done with one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.job.progress import Progress
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.summary import JobSummary
from cloudrender_addon.backend.job.words import clock
from tests.unit.without_bpy import ui_module

job_list_texts = ui_module("job_list_texts")

HALF_WAY = Progress(total=24, started=1000.0, status=Status.RENDERING, rendering_since=1100.0, done=12)
DONE = JobSummary(
    job_id="j", status=Status.SUCCEEDED, started=1000.0, frames=24, saved=24, brought=24, cost_usd=0.12,
    blend=Path("/p/robot.blend"), instance_type="g6.xlarge",
)  # fmt: skip
FAILED = replace(DONE, status=Status.FAILED, saved=12, error="Blender crashed")
HALF = replace(DONE, status=Status.RENDERING, saved=2, open=True)
ELSEWHERE = replace(HALF, driven=True)
KEPT = replace(DONE, status=Status.KEPT, open=True, kept_until=9000.0)
DAMAGED = JobSummary(job_id="j", status=None, error="Not JSON", hint="Delete it")
LIVE = job_list_texts.Live(progress=HALF_WAY, cancelling=False)


@pytest.mark.parametrize(
    ("job", "live", "icon", "frames", "standing"),
    [
        (DONE, None, "CHECKMARK", "24/24", "Done"),
        (replace(DONE, saved=20), None, "CHECKMARK", "20/24", "Done, but frames were deleted since"),
        (replace(DONE, machine_went_to="k"), None, "CHECKMARK", "24/24", "Done; its machine went on with another job"),
        (FAILED, None, "ERROR", "12/24", "Failed: Blender crashed"),
        (replace(FAILED, machine_went_to="k"), None, "ERROR", "12/24", "Failed: Blender crashed"),
        (replace(DONE, status=Status.CANCELLED, saved=1, error="Cancelled"), None, "CANCEL", "1/24", "Canceled"),
        (HALF, None, "PAUSE", "2/24", "Left half-way: resume or cancel it"),
        (KEPT, None, "TIME", "24/24", f"Kept until {clock(9000.0)}"),
        (replace(KEPT, kept_until=1200.0), None, "TIME", "24/24", f"Machine was kept until {clock(1200.0)}"),
        (ELSEWHERE, None, "RENDER_ANIMATION", "2/24", "Rendering, by another program"),
        (ELSEWHERE, LIVE, "RENDER_ANIMATION", "12/24", "Rendering 12/24"),
        (DAMAGED, None, "ERROR", "–", "Damaged: Not JSON"),
    ],
)
def test_a_job_in_the_list(job: JobSummary, live: Any, icon: str, frames: str, standing: str) -> None:
    row = job_list_texts.job_row(job, live, now=1300.0)
    assert (row.icon, row.frames) == (icon, frames)
    assert job_list_texts.job_lines(job, live, now=1300.0)[0] == standing


def test_when_a_job_was_started() -> None:
    assert job_list_texts.job_lines(DONE, None, now=1300.0)[1] == "g6.xlarge, 5 min ago, $0.005 a frame"
    new = replace(DONE, brought=0)
    assert job_list_texts.job_lines(new, None, now=1001.0)[1] == "g6.xlarge, just now"
    assert job_list_texts.job_row(DONE, None, now=1300.0).age == "5 min"


@pytest.mark.parametrize(
    ("job", "live", "possible"),
    [
        (None, None, set()),
        (DONE, None, {"show", "folder", "forget", "log"}),
        (FAILED, None, {"show", "folder", "resume", "forget", "log"}),
        (HALF, None, {"show", "folder", "resume", "cancel", "log"}),
        (ELSEWHERE, None, {"show", "folder", "cancel", "log"}),
        (ELSEWHERE, LIVE, {"show", "folder", "cancel", "log"}),
        (ELSEWHERE, replace(LIVE, cancelling=True), {"show", "folder", "log"}),
        (KEPT, None, {"show", "folder", "cancel", "log"}),
        (replace(KEPT, saved=20), None, {"show", "folder", "resume", "cancel", "log"}),
        (DAMAGED, None, {"forget", "log"}),
    ],
)
def test_only_what_makes_sense_can_be_done(job: JobSummary | None, live: Any, possible: set[str]) -> None:
    assert {name for name, can in vars(job_list_texts.possible(job, live)).items() if can} == possible
