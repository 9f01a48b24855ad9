# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job goes and how it ended, in words: pure functions of what is known of it. No bpy here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..backend.errors import Cancelled, Detached, MissingFilesError
from ..backend.job.status import Status
from ..backend.job.words import clock, format_seconds, fraction_done
from . import texts

if TYPE_CHECKING:
    from ..backend.job import events as ev
    from ..backend.job.progress import Progress

_PHASES = {
    Status.PENDING: "Starting",
    Status.PACKING: "Collecting Files",
    Status.PROVISIONING: "Renting a Machine",
    Status.BOOTING: "Machine Is Starting",
    Status.UPLOADING: "Sending",
    Status.RENDERING: "Rendering",
    Status.RECOVERING: "Recovering",
    Status.CANCELLING: "Canceling",
    Status.CLEANING_UP: "Ending the Machine",
    Status.KEPT: "Machine Kept",
    Status.SUCCEEDED: "Done",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Canceled",
}

_IN_FRAMES = (Status.RENDERING, Status.RECOVERING)


def phase(status: Status, *, cancelling: bool = False) -> str:
    """Name what a job is doing."""
    if cancelling and not status.terminal and status is not Status.CLEANING_UP:
        status = Status.CANCELLING
    return _PHASES[status]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A progress bar: how full (0 to 1) and what is written on it."""

    factor: float
    text: str


def bar(progress: Progress, *, cancelling: bool = False) -> Bar:
    """Return the bar of a running job. It is filled by bytes while sending, by frames from then on."""
    text = phase(progress.status, cancelling=cancelling)
    factor = min(max(fraction_done(progress), 0.0), 1.0)
    if cancelling:
        return Bar(factor=factor, text=text)
    if progress.status is Status.UPLOADING and progress.to_send:
        text += f" {factor:.0%}"
    elif progress.status in _IN_FRAMES:
        text += f" {progress.done}/{progress.total}"
    return Bar(factor=factor, text=text)


def time_left(progress: Progress, now: float) -> str:
    """Write the time left, "–" as long as nobody knows."""
    left = progress.seconds_left(now) if progress.status is Status.RENDERING else None
    return "–" if left is None else format_seconds(left)


def in_all(projected_usd: float | None, *, data_out_usd: float | None = None) -> str:
    """Write what a running job will have cost, "–" as long as nobody knows."""
    return "–" if projected_usd is None else f"{texts.money(projected_usd)}{texts.data_out(data_out_usd)}"


def status_line(progress: Progress, now: float, *, cancelling: bool = False) -> str:
    """Write a running job for the status bar: "Cloud: Rendering 12/24, 5:00 left, $0.12"."""
    parts = [bar(progress, cancelling=cancelling).text]
    if (left := time_left(progress, now)) != "–" and not cancelling:
        parts.append(f"{left} left")
    parts.append(texts.money(progress.cost_usd(now)))
    return "Cloud: " + ", ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a job ended: an icon, a title of a few words, cause and next step ("" where there is none).

    `alert`: the user has to do something. `resume` is what going on with the job is called, "" if there is no need to.
    `names` are lines about each thing concerned.
    """

    icon: str
    title: str
    text: str = ""
    hint: str = ""
    alert: bool = False
    resume: str = ""
    names: tuple[str, ...] = ()


def ending(ended: ev.JobEnded, *, total: int) -> Ending:
    """Put the end of a job into words."""
    got = f"{len(ended.frames)} of {total} frames" if total > 1 else f"{len(ended.frames)} of 1 frame"
    error, cost = ended.error, texts.money(ended.cost_usd)
    if error is None:
        frames = f"{total} frames" if total > 1 else "1 frame"
        kept = f"The machine is kept until {clock(ended.kept.until)}" if ended.kept else ""
        return Ending(icon="CHECKMARK", title=f"Done: {frames}, {cost}", text=kept)
    if isinstance(error, Detached):
        return Ending(icon="PAUSE", title="Goes on without this Blender", text=error.message, resume="Resume")
    if ended.status is Status.CLEANING_UP:
        return Ending(
            icon="ERROR",
            title="Something may still be running",
            text=error.message,
            hint=error.hint,
            alert=True,
            resume="Try Again",
        )
    if isinstance(error, MissingFilesError):
        return Ending(
            icon="ERROR",
            title=f"Not Started: {len(error.details)} {'file is' if len(error.details) == 1 else 'files are'} missing",
            names=texts.listed(error.details),
            hint="Find them and render again, or render without them",
            alert=True,
        )
    if isinstance(error, Cancelled):
        return Ending(icon="CANCEL", title=f"Canceled: {got}, {cost}", text="Nothing is left running", resume="Resume")
    return Ending(
        icon="ERROR", title=f"Failed: {got}, {cost}", text=error.message, hint=error.hint, alert=True, resume="Resume"
    )


def of_files(traced: ev.FilesTraced) -> tuple[str, ...]:
    """Write what is sent, and last what is worth a look before the frames come, each in a line."""
    from ..backend.assets.concerns import in_words  # noqa: PLC0415 - platformdirs, which nothing needs before

    one = traced.files == 1
    what = f"Sending {traced.files:,} {'file' if one else 'files'}, {in_words(traced.size)}"
    left_out = [f"Not sent: {each}" for each in traced.left_out]
    missing = [f"Rendered without {each}" for each in traced.missing]
    return (what, *left_out, *missing, *traced.warnings)
