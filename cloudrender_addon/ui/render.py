# SPDX-License-Identifier: GPL-3.0-or-later
"""Render in Cloud: ask once, take a snapshot, and let the job go its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..backend.errors import CloudrenderError
from . import jobs, lookups
from .answers import Answer, refuse
from .online import OFFLINE
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..backend.job.folder import JobFolder
    from .problem import Problem

_DIALOG_WIDTH = 440


class CLOUDRENDER_OT_render(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Render on a machine rented in your AWS account while you keep working"""

    bl_idname = "cloudrender.render"
    bl_label = "Render in Cloud"
    bl_options = {"REGISTER"}  # noqa: RUF012 - Blender's way

    animation: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Animation", description="Render the frames chosen in the Frames panel instead of the current one"
    )

    accept_missing: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Accept Missing Files",
        description="For scripts: render even if files that the scene uses are missing",
        options={"SKIP_SAVE"},
    )

    problems: Any = ()  # tuple[Problem, ...]; Blender looks annotations up here, and the module is not loaded yet

    @classmethod
    def description(cls, _context: Context, properties: object) -> str:
        """Return the tooltip of this very button."""
        what = "the animation" if getattr(properties, "animation", False) else "the current frame"
        return f"Render {what} on a machine rented in your AWS account while you keep working"

    @classmethod
    def poll(cls, _context: Context) -> bool:
        """Tell whether a render can be begun, and if not, what to do about it."""
        if bpy.app.background:
            return True  # a no here is an exception for a script, without the reason: execute answers CANCELLED
        if SESSION.running:
            cls.poll_message_set("A cloud render is running: wait for its end, or cancel it first")
            return False
        if not bpy.app.online_access:
            cls.poll_message_set(OFFLINE.hint)
            return False
        return True

    def invoke(self, context: Context, _event: Event) -> Answer:
        """Show what will happen and what it costs, and ask."""
        from .preflight import find_problems  # noqa: PLC0415 - of no use when enabling

        self.problems = find_problems(context, animation=self.animation)
        lookups.refresh_quotes(context)
        title = "Render Animation in Cloud" if self.animation else "Render Image in Cloud"
        return context.window_manager.invoke_props_dialog(  # type: ignore[union-attr]
            self, width=_DIALOG_WIDTH, title=title, confirm_text="Render"
        )

    def draw(self, context: Context) -> None:
        """Draw the dialog."""
        from . import dialog  # noqa: PLC0415 - see invoke

        SESSION.dialog = context.region_popup
        dialog.draw(self.layout, context, animation=self.animation, problems=self.problems)

    def execute(self, context: Context) -> Answer:
        """Take the snapshot and start the job; without a window, see it to its end."""
        from .preflight import find_problems  # noqa: PLC0415 - see invoke
        from .snapshot import make_job  # noqa: PLC0415 - see invoke

        SESSION.dialog = None
        try:
            problems = find_problems(context, animation=self.animation)
            self._refuse(problems)
            # Those that the dialog named, or a script does not mind.
            known = problems if self.accept_missing else self.problems
            accepted = tuple(path for problem in known for path in problem.missing)
            folder, record = make_job(context, animation=self.animation, accept_missing=accepted)
            if bpy.app.background:
                return self._see_through(folder)
        except CloudrenderError as error:
            return self._say(error)
        jobs.drive(folder, record)
        return {"FINISHED"}

    def cancel(self, _context: Context) -> None:
        """Forget the dialog: its region is freed when this returns."""
        SESSION.dialog = None

    def _refuse(self, problems: tuple[Problem, ...]) -> None:
        for problem in problems:
            if problem.level == "ERROR":
                raise CloudrenderError(problem.text, hint=problem.fix)
            if bpy.app.background:
                self.report({"WARNING"}, f"{problem.text}. {problem.fix}")

    def _say(self, error: CloudrenderError) -> Answer:
        # An error report is an exception for a script, which then never sees the answer CANCELLED.
        return refuse(self, error, level="WARNING" if bpy.app.background else "ERROR")

    def _see_through(self, folder: JobFolder) -> Answer:
        """Drive the job as the command does: without a window, Blender is a program of the terminal."""
        from ..cli.display import choose_display  # noqa: PLC0415 - only then
        from ..cli.jobs import drive_folder  # noqa: PLC0415
        from .sending import prepare  # noqa: PLC0415

        prepare(folder, accept_missing=self.accept_missing)
        code = drive_folder(folder, choose_display(as_json=False))
        return {"FINISHED"} if code == 0 else {"CANCELLED"}


CLASSES = (CLOUDRENDER_OT_render,)
