# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user can do about Check Snapshot: begin it, give it up, look at its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from . import check_images, snapshot_check
from .answers import Answer, Refusing
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context


class CLOUDRENDER_OT_check_snapshot(Refusing, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Render a small picture of what would be sent, on this computer, and compare it with one of the open file"""

    bl_idname = "cloudrender.check_snapshot"
    bl_label = "Check Snapshot"
    bl_options = {"REGISTER"}  # noqa: RUF012 - Blender's way

    @classmethod
    def poll(cls, _context: Context) -> bool:
        """Tell whether a check can be begun."""
        if SESSION.checking is not None:
            cls.poll_message_set("A check is under way")
            return False
        return True

    def act(self, context: Context) -> Answer:
        begun = snapshot_check.begin(context)
        return {"FINISHED"} if begun else {"CANCELLED"}


class CLOUDRENDER_OT_cancel_check(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Give up the check that is under way"""

    bl_idname = "cloudrender.cancel_check"
    bl_label = "Cancel Check"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def execute(self, _context: Context) -> Answer:
        if SESSION.checking is None:
            return {"CANCELLED"}
        SESSION.checking.cancel.cancel()
        SESSION.checking.doing = "Canceling"
        return {"FINISHED"}


class CLOUDRENDER_OT_show_check(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Show this picture in an Image Editor"""

    bl_idname = "cloudrender.show_check"
    bl_label = "Show Picture"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    picture: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Picture",
        items=(
            ("OPEN_FILE", "Open File", "The file as it is open"),
            ("BUNDLE", "Bundle", "What would be sent, in an empty folder"),
            ("DIFFERENCE", "Difference", "The pixels that differ, in red"),
        ),
    )

    def execute(self, _context: Context) -> Answer:
        result = SESSION.checked.result if SESSION.checked else None
        if result is None or not check_images.show_one(result, self.picture):
            self.report({"WARNING"}, "There is no such picture any more: check again")
            return {"CANCELLED"}
        return {"FINISHED"}


class CLOUDRENDER_OT_dismiss_check(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Put the result of the check away"""

    bl_idname = "cloudrender.dismiss_check"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def execute(self, _context: Context) -> Answer:
        SESSION.checked = None
        return {"FINISHED"}


CLASSES = (
    CLOUDRENDER_OT_check_snapshot,
    CLOUDRENDER_OT_cancel_check,
    CLOUDRENDER_OT_show_check,
    CLOUDRENDER_OT_dismiss_check,
)
