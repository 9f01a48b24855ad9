# SPDX-License-Identifier: GPL-3.0-or-later
"""How machine images look: their box in the preferences, and the dialog before one is built. Only drawing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import drawing, image_texts
from .session import IMAGE_LIST, IMAGE_WORK, SESSION, deleting

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.aws.machine_images import MachineImage
    from .session import Baked, Baking

_BUTTONS_SHARE = 0.3
_UNDER_WAY_SHARE = 0.8
_FACTS_SHARE = 0.2


def draw(column: Any, context: Context, own: Any) -> None:
    """Draw the box of the preferences `own`."""
    if SESSION.baking is not None:
        _under_way(column, SESSION.baking)
    else:
        row = column.row()
        row.scale_y = 1.3
        row.operator("cloudrender.build_image", icon="DISK_DRIVE")
    if SESSION.baked is not None:
        _baked(column, context, SESSION.baked, setting=own.image)
    listing = IMAGE_LIST in SESSION.busy
    row = column.row()
    row.enabled = not listing
    text = "Listing…" if listing else "Refresh List" if SESSION.images is not None else "List Images"
    row.operator("cloudrender.refresh_images", text=text, icon="FILE_REFRESH")
    if SESSION.images is None:
        return
    if not SESSION.images:
        column.label(text="No image of your own yet: jobs begin with Amazon's", icon="INFO")
    for image in reversed(SESSION.images):
        _image(column.box(), image, SESSION.images, setting=own.image)


def _under_way(column: Any, baking: Baking) -> None:
    split = column.split(factor=_UNDER_WAY_SHARE)
    split.scale_y = 1.3
    split.label(text=image_texts.doing(baking, time.time()), icon="SORTTIME")
    button = split.row()
    button.enabled = not baking.cancel.noted
    button.operator("cloudrender.cancel_image", text="Cancel", icon="CANCEL")


def _baked(column: Any, context: Context, baked: Baked, *, setting: str) -> None:
    box = column.box().column()
    row = box.row(align=True)
    title = row.row()
    title.alert = baked.failed
    title.label(text=baked.title, icon="ERROR" if baked.failed else "CHECKMARK")
    row.operator("cloudrender.dismiss_image", text="", icon="X", emboss=False)
    for line in baked.lines:
        drawing.paragraph(box, context, line, icon="BLANK1")
    if baked.hint:
        drawing.paragraph(box, context, baked.hint, icon="FORWARD")
    for line in baked.details:
        drawing.beginning(box, context, line, icon="DOT")
    images, behind = SESSION.images or (), SESSION.behind
    for old in image_texts.replaced(baked.image, images, behind, setting=setting) if baked.image else ():
        split = box.split(factor=1 - _BUTTONS_SHARE)
        cost = image_texts.monthly(old, behind.get(old.id))
        split.label(text=f"It has taken the place of {old.id}: at most {cost}", icon="INFO")
        _delete(split, old, text="Delete")


def _image(box: Any, image: MachineImage, images: tuple[MachineImage, ...], *, setting: str) -> None:
    now = time.time()
    icon, standing = image_texts.standing(image, images, SESSION.behind, setting=setting, now=now)
    split = box.split(factor=1 - _BUTTONS_SHARE)
    lines = split.column(align=True)
    lines.label(text=image_texts.title(image), icon=icon)
    more = lines.column(align=True)
    more.scale_y = drawing.LINE
    more.active = False
    behind = SESSION.behind.get(image.id)
    more.label(text=image_texts.facts(image, behind, now), icon="BLANK1")
    if protection := image_texts.protection(behind):
        more.label(text=protection, icon="BLANK1")
    more.label(text=standing, icon="BLANK1")
    buttons = split.row(align=True)
    buttons.alignment = "RIGHT"
    on_a_machine = buttons.row(align=True)
    on_a_machine.enabled = image.state == "available" and not image.job_id and IMAGE_WORK not in SESSION.busy
    on_a_machine.operator("cloudrender.test_image", text="Test", icon="PLAY").image_id = image.id
    on_a_machine.operator("cloudrender.copy_image", text="Copy", icon="DUPLICATE").image_id = image.id
    _delete(buttons, image, text="Delete")


def _delete(row: Any, image: MachineImage, *, text: str) -> None:
    button = row.row(align=True)
    button.enabled = deleting(image.id) not in SESSION.busy and not (image.job_id and IMAGE_WORK in SESSION.busy)
    button.operator("cloudrender.delete_image", text=text, icon="TRASH").image_id = image.id


def draw_build(layout: Any, build: Any) -> None:
    """Draw the dialog of the operator `build`: what the user agrees to."""
    from ..backend.baking.families import builder_type  # noqa: PLC0415 - of no use before the dialog opens

    drawing.split(layout)
    layout.prop(build, "family")
    layout.prop(build, "blender")
    layout.prop(build, "encryption")
    if build.encryption == "OWN_KEY":
        layout.prop(build, "kms_key")
    if build.encryption != "DEFAULT_KEY":  # which no other account could use
        layout.prop(build, "share", placeholder="Nobody")
    machine = builder_type(build.family)
    quote = SESSION.quotes.get(machine)
    waiting = "asking for the price…" if "quotes" in SESSION.busy else "price not known"
    column = layout.box().column(align=True)
    _fact(column, "Rented", image_texts.rented(machine, quote, otherwise=waiting))
    _fact(column, "Cost", image_texts.cost(quote))
    _fact(column, "Storage", image_texts.keeping(build.family))
    _fact(column, "Used By", image_texts.serves(build.family))
    row = _fact(column, "Rights", "A second policy for your user")
    row.operator("cloudrender.copy_images_policy", icon="COPYDOWN")
    layout.label(text="Go on working meanwhile. Canceling, or quitting Blender, undoes all of it", icon="INFO")


def _fact(column: Any, label: str, text: str) -> Any:
    columns = column.split(factor=_FACTS_SHARE)
    name = columns.row()
    name.alignment = "RIGHT"
    name.label(text=label)
    row = columns.row()
    row.label(text=text)
    return row
