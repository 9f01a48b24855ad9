# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences: which account, machine image and network, what new files begin with. Never a secret.

Keys stay where AWS's own tools keep them; here is only the name of a profile.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ..backend.aws.regions import REGIONS
from . import compat, fields, preferences_layout, texts
from .package import PACKAGE
from .session import SESSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpy.types import Context

    from ..backend.settings import Settings

_PROFILE_KINDS = {
    "sso": "Single sign-on",
    "login": "Console sign-in",
    "role": "Role",
    "process": "From a program",
    "keys": "Access keys",
    "other": "",
}


def _profiles(_owner: object, _context: Context, _typed: str) -> Iterator[str]:
    """Suggest the profiles that there are at this moment: AWS's own tools may just have made one."""
    from ..backend.aws.profiles import list_profiles  # noqa: PLC0415 - of no use before somebody looks

    for profile in list_profiles(os.environ).profiles:  # two small files: half a millisecond
        about = filter(None, (_PROFILE_KINDS[profile.kind], profile.region))
        yield texts.suggestion(profile.name, ", ".join(about))


def _regions(_owner: object, _context: Context, typed: str) -> Iterator[str]:
    """Suggest one more region after those that were typed, up to the last comma."""
    names = texts.names(typed.rpartition(",")[0])
    for region, place in REGIONS.items():
        if region not in names:
            yield ", ".join([*names, texts.suggestion(region, place)])


def _images(_owner: object, _context: Context, _typed: str) -> Iterator[str]:
    """Suggest what is no image but a rule, and the images that were listed."""
    yield texts.suggestion("auto", "An image of your own for such machines if there is one, else Amazon's")
    yield texts.suggestion("public", "Amazon's, also if there is one of your own")
    for image in SESSION.images or ():
        yield texts.suggestion(image.id, f"Blender {', '.join(image.contents.blender)}, {image.region}")


class CLOUDRENDER_AP_preferences(bpy.types.AddonPreferences):  # noqa: N801 - Blender's naming rule
    """See the module."""

    bl_idname = PACKAGE

    profile: StringProperty(  # type: ignore[valid-type]
        name="Profile",
        description="Profile of your AWS configuration to pay with. Empty: the one AWS's own tools use",
        search=_profiles,
        update=fields.value_alone("profile"),
        search_options={"SUGGESTION"},
    )
    region: StringProperty(  # type: ignore[valid-type]
        name="Region",
        description="Where machines are rented: near you is faster, elsewhere may be cheaper. Of several, with commas "
        "between them, the next is asked when there is no machine in the first. Empty: the profile's own",
        search=_regions,
        update=fields.value_alone("region"),
        search_options={"SUGGESTION"},
    )
    image: StringProperty(  # type: ignore[valid-type]
        name="Image",
        description='System the machine starts with: "auto" for an image of your own or else Amazon\'s, "public" for '
        "Amazon's, or the ID of an AMI",
        default="auto",
        search=_images,
        update=fields.value_alone("image"),
        search_options={"SUGGESTION"},
    )
    ssh_user: StringProperty(  # type: ignore[valid-type]
        name="SSH User",
        description="Name to log in to the machine with. Change it only for an image of your own",
        default="ubuntu",
    )
    ssh_port: IntProperty(  # type: ignore[valid-type]
        name="SSH Port",
        description="Port on which the machine is reached. Change it only for an image of your own",
        default=22,
        min=1,
        max=65535,
    )
    subnet: StringProperty(  # type: ignore[valid-type]
        name="Subnet",
        description="Subnet to start machines in, such as subnet-0a1b2c3d. Empty: one of your default network",
    )
    security_group: StringProperty(  # type: ignore[valid-type]
        name="Security Group",
        description="Security group to use as it is, such as sg-0a1b2c3d. Empty: one is made for each job, which lets "
        "in only this computer",
    )
    default_machine_type: StringProperty(  # type: ignore[valid-type]
        default=fields.MACHINE_TYPE_DEFAULT, update=fields.value_alone("default_machine_type"), **fields.MACHINE_TYPE
    )
    default_purchase: EnumProperty(default=fields.PURCHASE_DEFAULT, **fields.PURCHASE)  # type: ignore[valid-type]
    default_send: EnumProperty(default=fields.SEND_DEFAULT, **fields.SEND)  # type: ignore[valid-type]
    default_max_cost: FloatProperty(default=fields.MAX_COST_DEFAULT, **fields.MAX_COST)  # type: ignore[valid-type]
    default_max_hours: FloatProperty(default=fields.MAX_HOURS_DEFAULT, **fields.MAX_HOURS)  # type: ignore[valid-type]
    default_output: StringProperty(  # type: ignore[valid-type]
        default=fields.OUTPUT_DEFAULT, options=set(compat.BLEND_RELATIVE), **fields.OUTPUT
    )
    wait_minutes: FloatProperty(default=fields.WAIT_MINUTES_DEFAULT, **fields.WAIT_MINUTES)  # type: ignore[valid-type]
    max_launches: IntProperty(default=fields.MAX_LAUNCHES_DEFAULT, **fields.MAX_LAUNCHES)  # type: ignore[valid-type]
    keep_minutes: FloatProperty(**fields.KEEP_MINUTES)  # type: ignore[valid-type]
    on_quit: EnumProperty(  # type: ignore[valid-type]
        name="On Quit",
        description="What becomes of a running render when you quit Blender",
        items=(
            ("LEAVE", "Leave Running", "A small program in the background goes on with the job and fetches its frames"),
            ("CANCEL", "Cancel", "The job and its machine are ended; finished frames stay"),
        ),
    )
    setup_done: BoolProperty(  # type: ignore[valid-type]
        name="Setup Done", description="Whether Check Setup has once found everything in place", options={"HIDDEN"}
    )

    def draw(self, context: Context) -> None:
        """Draw them."""
        preferences_layout.draw(self.layout, context, self)


def preferences() -> Any:
    """Return the preferences of this extension."""
    return bpy.context.preferences.addons[PACKAGE].preferences  # type: ignore[union-attr]


def jobs_home() -> Path:
    """Return the folder that keeps the records of jobs: CLOUDRENDER_HOME, or the extension's own."""
    if given := os.environ.get("CLOUDRENDER_HOME"):
        return Path(given).expanduser()
    return Path(bpy.utils.extension_path_user(PACKAGE, path="", create=True))


def preset() -> dict[str, object]:
    """Return the settings that the preferences give; what is not among them, the environment or the file may say."""
    own = preferences()
    given: dict[str, object] = {
        name: value
        for name in ("profile", "region", "subnet", "security_group")
        if (value := getattr(own, name).strip())
    }
    for name in ("image", "ssh_user", "ssh_port"):
        if own.is_property_set(name) and (value := getattr(own, name)):
            given[name] = value
    return {
        **given,
        **fields.as_settings(
            machine_types=fields.types_of(own.default_machine_type),
            purchase=own.default_purchase,
            send=own.default_send,
            max_cost=own.default_max_cost,
            max_hours=own.default_max_hours,
        ),
        "wait_minutes": round(own.wait_minutes, 2),
        "max_launches": own.max_launches,
        "keep_minutes": round(own.keep_minutes, 2),
        "home": str(jobs_home()),
    }


def settings_for(context: Context) -> Settings:
    """Return the settings of a job that is started now: what the panels and preferences show. Raises `ConfigError`."""
    from ..backend.settings import load_settings  # noqa: PLC0415 - of no use before the first job

    scene: Any = context.scene.cloudrender  # type: ignore[union-attr]
    shown = fields.as_settings(
        machine_types=fields.types_of(scene.machine_type, scene.more_types),
        purchase=scene.purchase,
        send=scene.send,
        max_cost=scene.max_cost,
        max_hours=scene.max_hours,
    )
    return load_settings(environ=os.environ, flags={**preset(), **shown})


CLASSES = (CLOUDRENDER_AP_preferences,)
