# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs in words, and what can be done with one: pure functions of what is known of it. No bpy here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..backend.job.status import Status
from ..backend.job.words import clock
from . import machine_texts, progress_texts, texts

if TYPE_CHECKING:
    from ..backend.job.progress import Progress
    from ..backend.job.summary import JobSummary

_ICONS = {Status.SUCCEEDED: "CHECKMARK", Status.FAILED: "ERROR", Status.CANCELLED: "CANCEL"}


@dataclass(frozen=True, kw_only=True)
class Live:
    """What this Blender knows of a job it drives: newer than the job's summary."""

    progress: Progress
    cancelling: bool


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job in one row of a list."""

    icon: str
    name: str
    frames: str
    cost: str
    age: str


@dataclass(frozen=True, kw_only=True)
class Possible:
    """What can be done with a job."""

    show: bool = False
    folder: bool = False
    resume: bool = False
    cancel: bool = False
    forget: bool = False
    log: bool = False


def possible(job: JobSummary | None, live: Live | None) -> Possible:
    """Tell what can be done with a job, or with none."""
    if job is None:
        return Possible()
    if job.status is None:
        return Possible(forget=True, log=True)
    if live:
        return Possible(show=live.progress.done > 0, folder=True, cancel=not live.cancelling, log=True)
    return Possible(
        show=job.saved > 0,
        folder=True,
        resume=not job.driven and (not job.complete or (job.open and job.kept_until is None)),
        cancel=job.open,
        forget=not job.open and not job.driven,
        log=True,
    )


def job_row(job: JobSummary, live: Live | None, *, now: float) -> JobRow:
    """Put a job into a row. `now` is epoch seconds."""
    if job.status is None:
        return JobRow(icon="ERROR", name=job.job_id, frames="–", cost="–", age="–")
    saved = live.progress.done if live else job.saved
    cost = live.progress.cost_usd(now) if live else job.cost_usd
    return JobRow(
        icon=_icon(job, live),
        name=job.blend.stem,
        frames=f"{saved}/{job.frames}",
        cost=f"${cost:,.2f}",  # always two places: the columns are as wide as their texts
        age=texts.age(now - job.started),
    )


def job_lines(job: JobSummary, live: Live | None, *, now: float) -> tuple[str, str]:
    """Say in two lines how a job stands and what it was rendered with."""
    if job.status is None:
        return f"Damaged: {job.error}", job.hint
    when = texts.age(now - job.started)
    started = "just now" if when == "now" else f"{when} ago"
    a_frame = job.cost_per_frame_usd
    cost = [] if a_frame is None else [f"{texts.money(a_frame)} a frame"]
    types = machine_texts.any_of(texts.names(job.instance_type))
    return _standing(job, live, now=now), ", ".join([types, started, *cost])


def _standing(job: JobSummary, live: Live | None, *, now: float) -> str:
    if job.status is None or live:
        return progress_texts.bar(live.progress, cancelling=live.cancelling).text if live else "Damaged"
    if job.kept_until is not None and not job.driven:
        over = job.kept_until <= now
        return f"Machine was kept until {clock(job.kept_until)}" if over else f"Kept until {clock(job.kept_until)}"
    if job.left_half_way:
        return "Left half-way: resume or cancel it"
    if job.open:
        return f"{progress_texts.phase(job.status)}, by another program"
    word = progress_texts.phase(job.status)
    if job.machine_went_to and job.status is Status.SUCCEEDED and job.complete:
        return f"{word}; its machine went on with another job"
    if job.status is Status.SUCCEEDED and not job.complete:
        return f"{word}, but frames were deleted since"
    return f"{word}: {job.error}" if job.error and job.status is Status.FAILED else word


def _icon(job: JobSummary, live: Live | None) -> str:
    if live or (job.open and job.driven):
        return "RENDER_ANIMATION"
    if job.kept_until is not None:
        return "TIME"
    if job.left_half_way:
        return "PAUSE"
    return _ICONS.get(job.status, "QUESTION") if job.status else "ERROR"
