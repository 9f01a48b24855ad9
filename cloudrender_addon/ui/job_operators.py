# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user can do with a job: cancel, resume, show, open its folder or log, forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..backend.errors import MissingFilesError
from . import jobs, lookups, results
from .answers import Answer, Refusing
from .online import Online
from .preferences import jobs_home
from .sending import accept
from .session import SESSION, DrivenJob

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..backend.job.folder import JobFolder


class _OfJob(Refusing):
    """An operator about one job: `job_id`, or the current one if that is empty."""

    job_id: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]
    report: Any

    @property
    def target(self) -> str:
        return str(self.job_id or SESSION.current or "")

    def folder(self) -> JobFolder:
        from ..backend.job.store import JobStore  # noqa: PLC0415 - filelock is of no use before the first job

        return JobStore(jobs_home()).find(self.target)

    def driven(self) -> DrivenJob | None:
        job = SESSION.driven.get(self.target)
        return job if job and job.ended is None else None


class CLOUDRENDER_OT_cancel(_OfJob, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """End the render and its machine; frames that are finished stay"""

    bl_idname = "cloudrender.cancel"
    bl_label = "Cancel Cloud Render"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def invoke(self, context: Context, event: Event) -> Answer:
        job = self.driven()
        if job is not None and job.cancelling:
            self.report({"INFO"}, "The machine is being ended; it is billed until that is done, which takes a minute")
            return {"CANCELLED"}
        manager: Any = context.window_manager
        over = job is None and self.target in SESSION.driven  # but its machine is kept
        answer: Answer = manager.invoke_confirm(
            self,
            event,
            title="End the machine?" if over else "Stop the cloud render?",
            message="The machine is ended, and billed until then. Finished frames stay.",
            confirm_text="End Machine" if over else "Stop Render",  # Blender calls the other button Cancel
            icon="QUESTION",
        )
        return answer

    def act(self, _context: Context) -> Answer:
        job = self.driven()
        if job is not None:
            job.cancel.cancel()
            return {"FINISHED"}
        folder = self.folder()
        record = folder.load()
        if not record.open:
            self.report({"INFO"}, "This job has ended already; nothing of it is left running")
            return {"CANCELLED"}
        # Whoever drives it hears this; if nobody does, the job is taken up here, to be ended.
        folder.request_cancel()
        if not folder.locked():
            jobs.take_up(folder, record).cancel.cancel()
        return {"FINISHED"}


class CLOUDRENDER_OT_resume(_OfJob, Online, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Go on with this job: fetch the frames that are finished and render those that are missing"""

    bl_idname = "cloudrender.resume"
    bl_label = "Resume Missing Frames"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def act(self, _context: Context) -> Answer:
        if self.driven() is not None:
            self.report({"INFO"}, "This job is running")
            return {"CANCELLED"}
        folder = self.folder()
        jobs.take_up(folder, folder.load())
        return {"FINISHED"}


class CLOUDRENDER_OT_render_anyway(_OfJob, Online, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Render without the files that are missing: what they show is pink or absent in the frames"""

    bl_idname = "cloudrender.render_anyway"
    bl_label = "Render Anyway"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def act(self, _context: Context) -> Answer:
        ended = SESSION.driven[self.target].ended if self.target in SESSION.driven else None
        if ended is None or not isinstance(ended.error, MissingFilesError):
            return {"CANCELLED"}
        folder = self.folder()
        with folder.lock():
            record = accept(folder, ended.error.paths)
        jobs.take_up(folder, record)
        return {"FINISHED"}


class CLOUDRENDER_OT_forget(_OfJob, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Remove the job from this list; its frames stay where they are"""

    bl_idname = "cloudrender.forget"
    bl_label = "Forget Job"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def invoke(self, context: Context, event: Event) -> Answer:
        manager: Any = context.window_manager
        answer: Answer = manager.invoke_confirm(
            self, event, title="Forget this job?", message="Its frames stay where they are.", confirm_text="Forget"
        )
        return answer

    def act(self, _context: Context) -> Answer:
        folder = self.folder()
        folder.forget()
        SESSION.driven.pop(folder.job_id, None)
        lookups.refresh_summaries()
        return {"FINISHED"}


class CLOUDRENDER_OT_show_result(_OfJob, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Show the frames of this job in an Image Editor"""

    bl_idname = "cloudrender.show_result"
    bl_label = "Show Result"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def act(self, context: Context) -> Answer:
        problem = results.show_result(self.folder(), context)
        if problem:
            self.report({"WARNING"}, problem)
            return {"CANCELLED"}
        return {"FINISHED"}


class CLOUDRENDER_OT_open_folder(_OfJob, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Open the folder with the frames of this job"""

    bl_idname = "cloudrender.open_folder"
    bl_label = "Open Folder"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def act(self, _context: Context) -> Answer:
        output = self.folder().load().spec.output
        bpy.ops.wm.path_open(filepath=str(output))
        return {"FINISHED"}


class CLOUDRENDER_OT_open_log(_OfJob, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Show the log of this job in a text editor"""

    bl_idname = "cloudrender.open_log"
    bl_label = "Open Log"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def act(self, _context: Context) -> Answer:
        log = self.folder().log
        if not log.is_file():
            self.report({"INFO"}, "This job has no log")
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=str(log))
        return {"FINISHED"}


class CLOUDRENDER_OT_copy_login(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Copy the command for a terminal that logs in to the machine, which is kept for you to look at"""

    bl_idname = "cloudrender.copy_login"
    bl_label = "Copy Login"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def execute(self, context: Context) -> Answer:
        job = SESSION.job
        if job is None or job.ended is None or job.ended.kept is None:
            return {"CANCELLED"}
        manager: Any = context.window_manager
        manager.clipboard = job.ended.kept.login
        self.report({"INFO"}, "Copied: paste it in a terminal")
        return {"FINISHED"}


class CLOUDRENDER_OT_dismiss(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Put the result away; the job stays in the list of jobs"""

    bl_idname = "cloudrender.dismiss"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def execute(self, _context: Context) -> Answer:
        job = SESSION.job
        if job is None or job.ended is None:
            return {"CANCELLED"}
        del SESSION.driven[job.spec.job_id]
        SESSION.current = next((other.spec.job_id for other in SESSION.running), None)
        lookups.refresh_summaries()
        return {"FINISHED"}


CLASSES = (
    CLOUDRENDER_OT_cancel,
    CLOUDRENDER_OT_resume,
    CLOUDRENDER_OT_render_anyway,
    CLOUDRENDER_OT_forget,
    CLOUDRENDER_OT_show_result,
    CLOUDRENDER_OT_open_folder,
    CLOUDRENDER_OT_open_log,
    CLOUDRENDER_OT_copy_login,
    CLOUDRENDER_OT_dismiss,
)
