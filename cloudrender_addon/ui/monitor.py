# SPDX-License-Identifier: GPL-3.0-or-later
"""From the queues to the screen: the pump, and what makes it go.

While a job runs, a modal operator's window timer does; it hears ESC as well. Loading a file ends modal operators, and
Blender postpones its auto-save while one runs, so no job belongs to it: it steps aside now and then, and a persistent
timer, which goes on regardless, drains the same queues meanwhile and starts it again.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import bpy

from ..backend.errors import CloudrenderError
from ..backend.job import events as ev
from . import announce
from .answers import Answer
from .session import SESSION, DrivenJob

if TYPE_CHECKING:
    from bpy.types import Context, Event

TICK_SECONDS = 0.25
BUDGET_SECONDS = 0.001
"""How long one tick may take from the queues: what is left waits for the next."""

MODAL_SECONDS = 10.0
"""How long the modal operator runs before it steps aside for a pending auto-save."""

ASIDE_SECONDS = 0.2

_KEPT_NOTICES = 20

_log = logging.getLogger(__name__)


def wake() -> None:
    """Keep pumping until there is nothing to wait for. For the main thread."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)


def pump() -> None:
    """Take over what threads have put into the queues, within the budget, and redraw what shows it."""
    deadline = time.perf_counter() + BUDGET_SECONDS
    changed = False
    while not SESSION.inbox.empty() and time.perf_counter() < deadline:
        SESSION.inbox.get()()
        changed = True
    for job in SESSION.running:
        alive = job.thread is None or job.thread.is_alive()  # asked first: its last words are in the queue then
        newest = None
        while not job.events.empty() and time.perf_counter() < deadline:
            event = job.events.get()
            newest = event.frame if isinstance(event, ev.FrameSaved) else newest
            _take(job, event)
            changed = True
        if newest is not None:
            _show(job, newest)
        if not alive and job.events.empty() and job.ended is None:
            _take(job, _unexplained(job))
            changed = True
    now = time.monotonic()
    if changed or (SESSION.running and now - SESSION.drawn >= 1):  # elapsed time and cost go on by themselves
        SESSION.drawn = now
        redraw()


def _take(job: DrivenJob, event: ev.Event) -> None:
    job.progress = job.progress.after(event)
    match event:
        case ev.FrameSaved(frame=frame, paths=paths):
            job.saved[frame] = paths
        case ev.Notice(text=text):
            job.notices = [*job.notices, text][-_KEPT_NOTICES:]
        case ev.Interrupted(reason=reason, missing=missing):
            job.notices = [*job.notices, f"{reason}: {missing} frames go on elsewhere"][-_KEPT_NOTICES:]
        case ev.JobEnded():
            job.ended = event
            announce.job_ended(job, event)


def _unexplained(job: DrivenJob) -> ev.JobEnded:
    return ev.JobEnded(
        at=time.time(),
        status=job.progress.status,
        error=CloudrenderError("The job's thread died", hint="Resume the job in the list of jobs"),
        frames=tuple(sorted(job.saved)),
        missing=tuple(frame for frame in job.spec.frames if frame not in job.saved),
        cost_usd=job.progress.cost_usd(time.time()),
    )


def _show(job: DrivenJob, frame: int) -> None:
    from . import results  # noqa: PLC0415 - it needs this module's callers, not this module

    try:
        results.show_frames(job, frame=frame)
    except RuntimeError:
        # What cannot be shown (a window that just closed) is on disk all the same; the next frame tries again.
        _log.warning("frame %d of job %s could not be shown", frame, job.spec.job_id, exc_info=True)


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


def _tick() -> float | None:
    """Pump if nothing else does. Ends when nothing is under way."""
    try:
        _beat()
    except Exception:  # noqa: BLE001  the timer's top: it must go on, or no job would be seen ending
        _log.exception("the timer failed")
    waiting = SESSION.running or SESSION.busy or not SESSION.inbox.empty()
    return TICK_SECONDS if waiting else None


def _beat() -> None:
    now = time.monotonic()
    modal = now - SESSION.modal_beat < 4 * TICK_SECONDS
    if modal:
        return
    pump()
    if SESSION.running and now >= SESSION.modal_after:
        manager: Any = bpy.context.window_manager
        if len(manager.windows):
            with bpy.context.temp_override(window=manager.windows[0]):
                bpy.ops.cloudrender.monitor("INVOKE_DEFAULT")  # type: ignore[attr-defined]


class CLOUDRENDER_OT_monitor(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Watch the running cloud render"""

    bl_idname = "cloudrender.monitor"
    bl_label = "Watch Cloud Render"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    _timer: Any = None
    _until = 0.0

    def invoke(self, context: Context, _event: Event) -> Answer:
        manager: Any = context.window_manager
        self._timer = manager.event_timer_add(TICK_SECONDS, window=context.window)
        self._until = time.monotonic() + MODAL_SECONDS
        SESSION.modal_beat = time.monotonic()
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> Answer:
        if event.type == "TIMER":
            SESSION.modal_beat = time.monotonic()
            pump()
            if not SESSION.running or SESSION.modal_beat >= self._until:
                self.cancel(context)
                return {"FINISHED"}
        elif event.type == "ESC" and event.value == "PRESS" and SESSION.running:
            bpy.ops.cloudrender.cancel("INVOKE_DEFAULT")  # type: ignore[attr-defined]
            return {"RUNNING_MODAL"}
        return {"PASS_THROUGH"}

    def cancel(self, context: Context) -> None:
        """Let go; called by Blender too, when it closes the window."""
        manager: Any = context.window_manager
        if self._timer is not None:
            manager.event_timer_remove(self._timer)
            self._timer = None
        SESSION.modal_beat = 0.0
        SESSION.modal_after = time.monotonic() + ASIDE_SECONDS


CLASSES = (CLOUDRENDER_OT_monitor,)


def unregister() -> None:
    """Stop the timer."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
