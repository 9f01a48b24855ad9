# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the user, once, how something ended: reports need an operator that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..backend.errors import Detached
from ..backend.job.frames import counted
from ..backend.job.status import Status
from . import texts
from .answers import Answer

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..backend.job import events as ev
    from .session import DrivenJob


_SOON_SECONDS = 0.01


def say(level: str, text: str) -> None:
    """Report a line as Blender does: "INFO", "WARNING" or "ERROR"."""
    if bpy.app.background:
        print(f"Cloudrender: {text}")  # noqa: T201 - there is no other place
        return
    manager = bpy.context.window_manager
    if manager and len(manager.windows):
        with bpy.context.temp_override(window=manager.windows[0]):
            bpy.ops.cloudrender.announce("INVOKE_DEFAULT", level=level, text=text)  # type: ignore[attr-defined]


def job_ended(job: DrivenJob, ended: ev.JobEnded) -> None:
    """Report the end of a job."""
    error = ended.error
    if isinstance(error, Detached):
        return
    got = f"{len(ended.frames)} of {counted(len(job.spec.frames))}"
    if error is None:
        say("INFO", f"Cloud render finished: {counted(len(ended.frames))}, {texts.money(ended.cost_usd)}")
    elif ended.status is Status.CANCELLED:
        say("INFO", f"Cloud render canceled with {got}; nothing is left running")
    else:
        say("WARNING" if ended.frames else "ERROR", f"Cloud render: {error.message} ({got}). {error.hint}".strip())


class CLOUDRENDER_OT_announce(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Report how a cloud render ended"""

    bl_idname = "cloudrender.announce"
    bl_label = "Announce"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    level: bpy.props.StringProperty()  # type: ignore[valid-type]
    text: bpy.props.StringProperty()  # type: ignore[valid-type]

    _timer: Any = None

    def invoke(self, context: Context, _event: Event) -> Answer:
        # What an operator called from Python reports is not shown (measured in 4.3); what a modal one reports is.
        manager: Any = context.window_manager
        self._timer = manager.event_timer_add(_SOON_SECONDS, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> Answer:
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        self.cancel(context)
        self.report({self.level}, self.text)
        return {"FINISHED", "PASS_THROUGH"}

    def cancel(self, context: Context) -> None:
        """Let go of the timer."""
        manager: Any = context.window_manager
        if self._timer is not None:
            manager.event_timer_remove(self._timer)
            self._timer = None


CLASSES = (CLOUDRENDER_OT_announce,)
