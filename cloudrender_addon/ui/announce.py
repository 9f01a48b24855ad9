# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the user, once, how something ended: reports need an operator that runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import bpy

from ..backend.errors import Detached
from ..backend.job.frames import counted
from ..backend.job.status import Status
from .answers import Answer

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.job import events as ev
    from .session import DrivenJob


def say(level: str, text: str) -> None:
    """Report a line as Blender does: "INFO", "WARNING" or "ERROR"."""
    if bpy.app.background:
        print(f"Cloudrender: {text}")  # noqa: T201 - there is no other place
        return
    manager = bpy.context.window_manager
    if manager and len(manager.windows):
        # An error is an exception for a caller in Python; it is in the Info log by then.
        with bpy.context.temp_override(window=manager.windows[0]), contextlib.suppress(RuntimeError):
            bpy.ops.cloudrender.announce("INVOKE_DEFAULT", level=level, text=text)  # type: ignore[attr-defined]


def job_ended(job: DrivenJob, ended: ev.JobEnded) -> None:
    """Report the end of a job."""
    error = ended.error
    if isinstance(error, Detached):
        return
    got = f"{len(ended.frames)} of {counted(len(job.spec.frames))}"
    if error is None:
        say("INFO", f"Cloud render finished: {counted(len(ended.frames))}, ${ended.cost_usd:.2f}")
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

    def invoke(self, _context: Context, _event: object) -> Answer:
        self.report({self.level}, self.text)
        return {"FINISHED"}


CLASSES = (CLOUDRENDER_OT_announce,)
