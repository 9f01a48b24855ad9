# SPDX-License-Identifier: GPL-3.0-or-later
"""From the queues of the threads to the session and the screen, a little at a time."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import bpy

from ..backend.errors import CloudrenderError
from ..backend.job.status import Status
from . import announce, progress_texts, results, statusbar
from .preferences import preferences
from .session import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..backend.job import events as ev
    from .session import DrivenJob

BUDGET_SECONDS = 0.001
"""How long one call may take from the queues: what is left waits for the next."""

SHOWN_SECONDS = 2.0
"""How long a frame stays on the screen at least: showing one takes Blender up to a quarter of a second (measured)."""

_KEPT_NOTICES = 20

_log = logging.getLogger(__name__)


def pump() -> None:
    """Take over what threads have put into the queues, within the budget, and redraw what shows it."""
    deadline = time.perf_counter() + BUDGET_SECONDS
    changed = False
    while not SESSION.inbox.empty() and time.perf_counter() < deadline:
        SESSION.inbox.get()()
        changed = True
    for job in SESSION.running:
        alive = job.thread is None or job.thread.is_alive()  # asked first: its last words are in the queue then
        while not job.events.empty() and time.perf_counter() < deadline:
            _take(job, job.events.get())
            changed = True
        _show_newest(job)
        if not alive and job.events.empty() and job.ended is None:
            _take(job, _unexplained(job))
            changed = True
    now = time.monotonic()
    goes_on = bool(SESSION.running) or SESSION.baking is not None  # elapsed time and cost, by themselves
    if changed or (goes_on and now - SESSION.drawn >= 1):
        SESSION.drawn = now
        redraw()


def _take(job: DrivenJob, event: ev.Event) -> None:
    """Note what has happened."""
    from ..backend.job import events as ev  # noqa: PLC0415 - slow to make; whoever has a job has loaded it

    job.progress = job.progress.after(event)
    match event:
        case ev.FrameSaved(frame=frame, paths=paths):
            job.saved[frame] = paths
        case ev.MachineTimed(timing=timing):
            job.timed[timing.key] = timing
        case ev.Notice(text=text):
            job.notices = [*job.notices, text][-_KEPT_NOTICES:]
        case ev.MachineTakenOver():
            job.notices = [*job.notices, "On the machine that was kept: no launch, no boot"][-_KEPT_NOTICES:]
        case ev.FilesTraced():
            job.notices = [*job.notices, *progress_texts.of_files(event)][-_KEPT_NOTICES:]
        case ev.Interrupted(reason=reason, missing=missing):
            job.notices = [*job.notices, f"{reason}: {missing} frames go on elsewhere"][-_KEPT_NOTICES:]
        case ev.JobEnded():
            job.ended = event
            _show_newest(job)
            apart(lambda: results.show_end(job))
            if event.status is Status.SUCCEEDED:
                preferences().setup_done = True  # what is needed is there
            announce.job_ended(job, event)


def _unexplained(job: DrivenJob) -> ev.JobEnded:
    from ..backend.job import events as ev  # noqa: PLC0415 - see _take

    return ev.JobEnded(
        at=time.time(),
        status=job.progress.status,
        error=CloudrenderError("The job's thread died", hint="Resume the job in the list of jobs"),
        frames=tuple(sorted(job.saved)),
        missing=tuple(frame for frame in job.spec.frames if frame not in job.saved),
        cost_usd=job.progress.cost_usd(time.time()),
    )


def _show_newest(job: DrivenJob) -> None:
    """Put the frame that came last on the screen, if it is time for another one, or the end."""
    newest = next(reversed(job.saved), None)
    now = time.monotonic()
    due = job.ended is not None or now - job.shown_at >= SHOWN_SECONDS
    if newest is None or newest == job.on_screen or not job.shown or not due:
        return
    job.on_screen, job.shown_at = newest, now
    apart(lambda: _show(job, newest))


def _show(job: DrivenJob, frame: int) -> None:
    try:
        results.show_frames(job, frame=frame)
    except RuntimeError:
        # What cannot be shown (a window that just closed) is on disk all the same; the next frame tries again.
        _log.warning("frame %d of job %s could not be shown", frame, job.spec.job_id, exc_info=True)


def apart(act: Callable[[], None]) -> None:
    """Act as soon as this call is over, in the order of these calls: a new window takes Blender 70-200 ms (measured).

    Without a window nothing waits for it, and timers do not run.
    """
    if bpy.app.background:
        act()
    else:
        bpy.app.timers.register(act, first_interval=0, persistent=True)  # also if a file is loaded meanwhile


def redraw() -> None:
    """Let the parts of the screen that show jobs be drawn again, and nothing else: a viewport may take seconds."""
    manager = bpy.context.window_manager
    for window in manager.windows if manager else ():
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
            elif area.type in ("PROPERTIES", "PREFERENCES"):
                area.tag_redraw()
    statusbar.redraw()
