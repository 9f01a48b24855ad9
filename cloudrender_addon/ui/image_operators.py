# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user can do about machine images that are there: list, try, copy, delete; and cancel what is under way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bpy

from ..backend.aws.regions import REGIONS
from ..backend.errors import UsageError
from . import image_texts, image_work, images, machine_texts, texts
from .answers import Answer, Refusing
from .online import Online
from .session import IMAGE_WORK, SESSION

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..backend.aws.machine_images import MachineImage


class OnMachine(Online):
    """An operator for which something is rented or copied: one at a time."""

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Tell whether it can be begun."""
        if IMAGE_WORK in SESSION.busy:
            cls.poll_message_set("An image is being worked on: wait for the end of that, or cancel it first")
            return False
        return super().poll(context)


class _OfImage(Refusing):
    """An operator about one image that was listed."""

    image_id: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})  # type: ignore[valid-type]

    def image(self) -> MachineImage:
        """Return the image. Raises `UsageError`."""
        if (image := images.find(self.image_id)) is None:
            raise UsageError("There is no such image any more", hint="Refresh the list")
        return image


def answer_of(begun: bool) -> Answer:
    """Return what an operator answers that has begun something, or not."""
    return {"FINISHED"} if begun else {"CANCELLED"}


def _regions(_owner: object, _context: Context, _typed: str) -> Iterator[str]:
    for region, place in REGIONS.items():
        yield texts.suggestion(region, place)


class CLOUDRENDER_OT_cancel_image(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Give up what is being done for an image: its machine is ended and all is undone"""

    bl_idname = "cloudrender.cancel_image"
    bl_label = "Cancel Image Build"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def invoke(self, context: Context, event: Event) -> Answer:
        if SESSION.baking is None:
            return {"CANCELLED"}
        manager: Any = context.window_manager
        answer: Answer = manager.invoke_confirm(
            self,
            event,
            title=f"Stop the {SESSION.baking.title.lower()}?",
            message="What was begun is undone; a machine is billed until it has ended.",
            confirm_text="Stop",  # Blender calls the other button Cancel
            icon="QUESTION",
        )
        return answer

    def execute(self, _context: Context) -> Answer:
        if SESSION.baking is None:
            return {"CANCELLED"}
        image_work.cancel()
        return {"FINISHED"}


class CLOUDRENDER_OT_refresh_images(Refusing, Online, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """List the machine images made by Cloudrender in your account, in the regions of these preferences"""

    bl_idname = "cloudrender.refresh_images"
    bl_label = "List Images"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def act(self, context: Context) -> Answer:
        return answer_of(images.refresh(context))


class CLOUDRENDER_OT_test_image(_OfImage, OnMachine, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Rent a machine for some minutes, render a frame on it, and tell device, driver and times"""

    bl_idname = "cloudrender.test_image"
    bl_label = "Test Image"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def invoke(self, context: Context, event: Event) -> Answer:
        from ..backend.baking.families import TRIED_ON, builder_type  # noqa: PLC0415 - of no use when enabling

        if (image := images.find(self.image_id)) is None:
            return self.execute(context)  # which says so
        machine = builder_type(TRIED_ON[image.contents.kind])
        price = machine_texts.price(SESSION.quotes.get(machine), "on-demand")
        manager: Any = context.window_manager
        answer: Answer = manager.invoke_confirm(
            self,
            event,
            title="Test this image?",
            message=f"A machine ({', '.join(filter(None, (machine, price)))}) is rented for some minutes.",
            confirm_text="Test",
            icon="QUESTION",
        )
        return answer

    def act(self, context: Context) -> Answer:
        return answer_of(image_work.test(context, self.image()))


class CLOUDRENDER_OT_copy_image(_OfImage, OnMachine, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Copy the image, encrypted, to another region, whose jobs then begin with it"""

    bl_idname = "cloudrender.copy_image"
    bl_label = "Copy to Region"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    region: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Region", description="Region to copy it to", search=_regions, search_options={"SUGGESTION"}
    )

    def invoke(self, context: Context, _event: Event) -> Answer:
        manager: Any = context.window_manager
        answer: Answer = manager.invoke_props_dialog(self, title="Copy Image to Region", confirm_text="Copy")
        return answer

    def draw(self, _context: Context) -> None:
        """Draw the dialog."""
        layout: Any = self.layout
        layout.use_property_split = True
        layout.prop(self, "region")
        if (image := images.find(self.image_id)) is not None:
            cost = image_texts.monthly(image, SESSION.behind.get(image.id))
            layout.label(text=f"The copy costs at most {cost} more", icon="INFO")

    def act(self, context: Context) -> Answer:
        region = texts.chosen(self.region)
        if region not in REGIONS:
            raise UsageError(f"There is no region {region!r}", hint="Choose one of the list")
        return answer_of(image_work.copy(context, self.image(), region=region))


class CLOUDRENDER_OT_delete_image(_OfImage, Online, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Delete the image with its snapshots"""

    bl_idname = "cloudrender.delete_image"
    bl_label = "Delete Image"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def invoke(self, context: Context, event: Event) -> Answer:
        if (image := images.find(self.image_id)) is None:
            return self.execute(context)  # which says so
        manager: Any = context.window_manager
        answer: Answer = manager.invoke_confirm(
            self,
            event,
            title="Delete this image?",
            message=image_texts.deletion(image, SESSION.behind.get(image.id)),
            confirm_text="Delete",
            icon="WARNING",
        )
        return answer

    def act(self, context: Context) -> Answer:
        return answer_of(images.delete(context, self.image()))


class CLOUDRENDER_OT_dismiss_image(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Put this away; images stay in the list"""

    bl_idname = "cloudrender.dismiss_image"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    def execute(self, _context: Context) -> Answer:
        SESSION.baked = None
        return {"FINISHED"}


CLASSES = (
    CLOUDRENDER_OT_cancel_image,
    CLOUDRENDER_OT_refresh_images,
    CLOUDRENDER_OT_test_image,
    CLOUDRENDER_OT_copy_image,
    CLOUDRENDER_OT_delete_image,
    CLOUDRENDER_OT_dismiss_image,
)
