# SPDX-License-Identifier: GPL-3.0-or-later
"""How the preferences look: how to begin, account and Check Setup, machine and images, what new files begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from . import drawing, images_layout
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.farms.check import CheckResult

_CHECK_ICONS = {"ok": "CHECKMARK", "warning": "ERROR", "failed": "CANCEL", "skipped": "DOT"}

_TEXT_SHARE = 0.8
"""Of the width, for what a check found."""

_USERS = "https://console.aws.amazon.com/iam/home#/users/create"
_COMMAND_LINE = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-quickstart.html"


def draw(layout: Any, context: Context, own: Any) -> None:
    """Draw the preferences `own`."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    if not own.setup_done:
        _how_to_begin(layout.box())
    _account(_section(layout, "Amazon Account", "USER"), context, own)
    column = _section(layout, "Machine", "SYSTEM")
    for name in ("image", "ssh_user", "ssh_port"):
        column.prop(own, name)
    column.prop(own, "wait_minutes")
    column.prop(own, "max_launches")
    column.prop(own, "keep_minutes")
    column.prop(own, "subnet", placeholder="Automatic")
    column.prop(own, "security_group", placeholder="Automatic")
    images_layout.draw(_section(layout, "Machine Images", "DISK_DRIVE"), context, own)
    column = _section(layout, "Defaults for New Files", "FILE_BLEND")
    for name in ("machine_type", "purchase", "send", "max_cost", "max_hours", "output"):
        column.prop(own, f"default_{name}")
    _section(layout, "Quitting", "QUIT").prop(own, "on_quit")


def _section(layout: Any, title: str, icon: str) -> Any:
    box = layout.box()
    box.label(text=title, icon=icon)
    return box.column()


def _how_to_begin(box: Any) -> None:
    box.label(text="How to Begin", icon="INFO")
    steps = box.column(align=True)
    row = _step(steps, "1. In your AWS account, make a user with the rights it takes")
    row.operator("cloudrender.copy_policy", icon="COPYDOWN")
    row.operator("wm.url_open", text="Create a User", icon="URL").url = _USERS
    row = _step(steps, "2. Install the AWS command line and run: aws configure")
    row.operator("wm.url_open", text="Install", icon="URL").url = _COMMAND_LINE
    steps.label(text="3. Choose a profile and a region near you, and check the setup")


def _step(steps: Any, text: str) -> Any:
    split = steps.split(factor=0.6)
    split.label(text=text)
    return split.row(align=True)


def _account(column: Any, context: Context, own: Any) -> None:
    column.prop(own, "profile", placeholder="default")
    column.prop(own, "region", placeholder="As in the profile")
    row = column.row()
    row.scale_y = 1.3
    busy = "check" in SESSION.busy
    row.enabled = not busy
    row.operator("cloudrender.check_setup", text="Checking…" if busy else "Check Setup", icon="CHECKMARK")
    if SESSION.profiles_problem:
        drawing.paragraph(column, context, SESSION.profiles_problem, icon="ERROR")
    if not bpy.app.online_access:
        row = column.row()
        row.label(text="Blender is offline", icon="INTERNET_OFFLINE")
        row.operator("screen.userpref_show", text="Allow Online Access", icon="PREFERENCES").section = "SYSTEM"
    if SESSION.checks:
        results = column.box().column(align=True)
        for result in SESSION.checks:
            _result(results, context, result)


def _result(layout: Any, context: Context, result: CheckResult) -> None:
    split = layout.split(factor=1 - _TEXT_SHARE)
    name = split.column()
    name.scale_y = drawing.LINE
    name.label(text=result.name, icon=_CHECK_ICONS[result.state])
    lines = split.column(align=True)
    lines.alert = result.state == "failed"
    drawing.paragraph(lines, context, result.text, share=_TEXT_SHARE)
    if result.hint:
        drawing.paragraph(lines, context, result.hint, icon="FORWARD", share=_TEXT_SHARE)
    if result.name == "Quota" and result.state == "failed":
        row = lines.row()
        row.alert = False
        row.enabled = "quota" not in SESSION.busy
        row.operator("cloudrender.request_quota", icon="EXPORT")
