# SPDX-License-Identifier: GPL-3.0-or-later
"""Build Image: its dialog, and what is wrong with what was typed there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..backend.errors import UsageError
from . import fields, image_texts, image_work, images_layout, lookups, texts
from .answers import Answer, Refusing
from .image_operators import OnMachine, answer_of
from .preferences import preferences
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context, Event

_DIALOG_WIDTH = 480


def _families(_owner: object, _context: Context | None) -> tuple[tuple[str, str, str], ...]:
    return image_texts.families()


class CLOUDRENDER_OT_build_image(Refusing, OnMachine, bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Make a machine image with driver and Blender on it, so that jobs boot straight into rendering"""

    bl_idname = "cloudrender.build_image"
    bl_label = "Build Image…"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    family: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Family", description="Machines that the image is made on", items=_families, options={"SKIP_SAVE"}
    )
    blender: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Blender",
        description="Versions to put on it: 4.2.23, or 4.2 for its newest patch. Several with commas between them",
        options={"SKIP_SAVE"},
    )
    encryption: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Encryption",
        description="How the disk is encrypted that the image is made of",
        items=(
            ("DEFAULT_KEY", "Default Key", "With the key for disks that every account has. It cannot be shared then"),
            ("OWN_KEY", "Key of Your Own", "With a key that you have made in the key management of AWS"),
            ("NONE", "None", "Not at all: nothing of yours is on an image"),
        ),
        options={"SKIP_SAVE"},
    )
    kms_key: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="KMS Key",
        description="ID, ARN or alias of the key, such as alias/render. It has to be in the region of the image",
        options={"SKIP_SAVE"},
    )
    share: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Share With",
        description="AWS accounts that may use the image, too: twelve digits each, with commas between them",
        options={"SKIP_SAVE"},
    )

    def invoke(self, context: Context, _event: Event) -> Answer:
        """Show what will happen and what it costs, and ask."""
        from ..backend.baking.families import builder_type  # noqa: PLC0415 - of no use when enabling

        self.family = image_texts.default_family(fields.types_of(preferences().default_machine_type)[0])
        self.blender = "{}.{}".format(*bpy.app.version)
        builders = tuple(builder_type(name) for name, *_ in image_texts.families())
        if not all(name in SESSION.quotes for name in builders):
            lookups.refresh_quotes(context, also=builders)
        manager: Any = context.window_manager
        answer: Answer = manager.invoke_props_dialog(
            self, width=_DIALOG_WIDTH, title="Build Machine Image", confirm_text="Build"
        )
        return answer

    def draw(self, context: Context) -> None:
        """Draw the dialog."""
        SESSION.dialog = context.region_popup
        images_layout.draw_build(self.layout, self)

    def cancel(self, _context: Context) -> None:
        """Forget the dialog: its region is freed when this returns."""
        SESSION.dialog = None

    def act(self, context: Context) -> Answer:
        SESSION.dialog = None
        if not (blender := image_texts.versions(self.blender)):
            raise UsageError("No Blender version is given", hint="Write it as 4.2 or 4.2.3")
        own_key = self.encryption == "OWN_KEY"
        if own_key and not self.kms_key.strip():
            raise UsageError("No KMS key is given", hint="Give its ID, ARN or alias, or choose another Encryption")
        begun = image_work.build(
            context,
            family=self.family,
            blender=blender,
            kms_key=self.kms_key.strip() if own_key else "",
            unencrypted=self.encryption == "NONE",
            share=() if self.encryption == "DEFAULT_KEY" else texts.names(self.share),
        )
        return answer_of(begun)


CLASSES = (CLOUDRENDER_OT_build_image,)
