# SPDX-License-Identifier: GPL-3.0-or-later
"""Look again: prices, jobs, the set-up; and the policy that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..backend.aws.policy import images_policy_text, policy_text
from . import lookups
from .answers import Answer, Refusing
from .online import Online
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context, Event


class CLOUDRENDER_OT_refresh_prices(Online, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Ask Amazon for the prices of today"""

    bl_idname = "cloudrender.refresh_prices"
    bl_label = "Refresh Prices"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def execute(self, context: Context) -> Answer:
        lookups.refresh_quotes(context)
        return {"FINISHED"}


class CLOUDRENDER_OT_check_setup(Refusing, Online, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Look whether everything a render needs is there, without changing anything in your account"""

    bl_idname = "cloudrender.check_setup"
    bl_label = "Check Setup"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def act(self, context: Context) -> Answer:
        begun = lookups.check_setup(context)
        return {"FINISHED"} if begun else {"CANCELLED"}


class CLOUDRENDER_OT_request_quota(Refusing, Online, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Ask Amazon to let your account rent more machines of this kind. That costs nothing and takes hours to days"""

    bl_idname = "cloudrender.request_quota"
    bl_label = "Request Increase"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def invoke(self, context: Context, event: Event) -> Answer:
        manager: Any = context.window_manager
        answer: Answer = manager.invoke_confirm(
            self,
            event,
            title="Ask Amazon for a larger quota?",
            message="It costs nothing. Amazon answers by e-mail, within hours or days.",
            confirm_text="Request Increase",
            icon="QUESTION",
        )
        return answer

    def act(self, context: Context) -> Answer:
        begun = lookups.request_quota(context)
        return {"FINISHED"} if begun else {"CANCELLED"}


class CLOUDRENDER_OT_refresh_jobs(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Read the list of jobs again"""

    bl_idname = "cloudrender.refresh_jobs"
    bl_label = "Refresh Jobs"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def execute(self, _context: Context) -> Answer:
        lookups.refresh_summaries()
        return {"FINISHED"} if "summaries" in SESSION.busy else {"CANCELLED"}


class CLOUDRENDER_OT_copy_policy(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Copy the rights that Cloudrender needs, for pasting them as a policy into the console of AWS"""

    bl_idname = "cloudrender.copy_policy"
    bl_label = "Copy Policy"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def execute(self, context: Context) -> Answer:
        context.window_manager.clipboard = policy_text()  # type: ignore[union-attr]
        self.report({"INFO"}, "The policy is in the clipboard: paste it at IAM > Policies > Create policy > JSON")
        return {"FINISHED"}


class CLOUDRENDER_OT_copy_images_policy(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Copy the rights that making machine images takes besides, for pasting them as a second policy"""

    bl_idname = "cloudrender.copy_images_policy"
    bl_label = "Copy Images Policy"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def execute(self, context: Context) -> Answer:
        context.window_manager.clipboard = images_policy_text()  # type: ignore[union-attr]
        self.report({"INFO"}, "In the clipboard: paste it at IAM > Policies > Create policy > JSON, as a second policy")
        return {"FINISHED"}


CLASSES = (
    CLOUDRENDER_OT_copy_policy,
    CLOUDRENDER_OT_copy_images_policy,
    CLOUDRENDER_OT_refresh_prices,
    CLOUDRENDER_OT_check_setup,
    CLOUDRENDER_OT_request_quota,
    CLOUDRENDER_OT_refresh_jobs,
)
