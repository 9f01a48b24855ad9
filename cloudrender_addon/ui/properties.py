# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene.cloudrender: what is saved in the file. Where the file says nothing, the defaults of the preferences hold.

The fields that are drawn are views: each shows what the file says (`own_…`), or else the preferences' default, and
writes what the file says. (A property that Blender keeps itself cannot show a default that changes.)
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import EnumProperty, FloatProperty, PointerProperty, StringProperty

from ..backend.errors import UsageError
from ..backend.job.frames import parse_frames
from . import compat, fields, texts
from .preferences import preferences

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bpy.types import Context

    from ..backend.setting_values import Purchase, Send

_UNSET = -1.0
_PURCHASES = tuple(fields.PURCHASES)
_SENDS = tuple(fields.SENDS)


def _own(**keywords: Any) -> dict[str, Any]:
    return {"name": "Of This File", "description": "What this file says itself", "options": {"HIDDEN"}, **keywords}


def _text(name: str) -> dict[str, Callable[..., Any]]:
    def get(scene: Any) -> str:
        return str(getattr(scene, f"own_{name}") or getattr(preferences(), f"default_{name}"))

    def put(scene: Any, value: str) -> None:
        setattr(scene, f"own_{name}", texts.chosen(value))

    return {"get": get, "set": put}


def _number(name: str) -> dict[str, Callable[..., Any]]:
    def get(scene: Any) -> float:
        own = getattr(scene, f"own_{name}")
        return float(own if own >= 0 else getattr(preferences(), f"default_{name}"))

    def put(scene: Any, value: float) -> None:
        setattr(scene, f"own_{name}", value)

    return {"get": get, "set": put}


def _choice(name: str, values: Sequence[str]) -> dict[str, Callable[..., Any]]:
    text = _text(name)

    def get(scene: Any) -> int:
        found: str = text["get"](scene)
        return values.index(found) if found in values else 0

    def put(scene: Any, value: int) -> None:
        setattr(scene, f"own_{name}", values[value])

    return {"get": get, "set": put}


class CLOUDRENDER_PG_scene(bpy.types.PropertyGroup):  # noqa: N801 - Blender's naming rule
    """See the module."""

    own_machine_type: StringProperty(**_own())  # type: ignore[valid-type]
    own_purchase: StringProperty(**_own())  # type: ignore[valid-type]
    own_send: StringProperty(**_own())  # type: ignore[valid-type]
    own_output: StringProperty(**_own(subtype="DIR_PATH", options={"HIDDEN", *compat.BLEND_RELATIVE}))  # type: ignore[valid-type]
    own_max_cost: FloatProperty(**_own(default=_UNSET))  # type: ignore[valid-type]
    own_max_hours: FloatProperty(**_own(default=_UNSET))  # type: ignore[valid-type]

    machine_type: StringProperty(**fields.MACHINE_TYPE, **_text("machine_type"))  # type: ignore[valid-type]
    more_types: StringProperty(update=fields.value_alone("more_types"), **fields.MORE_TYPES)  # type: ignore[valid-type]
    purchase: EnumProperty(**fields.PURCHASE, **_choice("purchase", _PURCHASES))  # type: ignore[valid-type]
    send: EnumProperty(**fields.SEND, **_choice("send", _SENDS))  # type: ignore[valid-type]
    output: StringProperty(**fields.OUTPUT, options=set(compat.BLEND_RELATIVE), **_text("output"))  # type: ignore[valid-type]
    max_cost: FloatProperty(**fields.MAX_COST, **_number("max_cost"))  # type: ignore[valid-type]
    max_hours: FloatProperty(**fields.MAX_HOURS, **_number("max_hours"))  # type: ignore[valid-type]

    frames: EnumProperty(  # type: ignore[valid-type]
        name="Frames",
        description="Which frames Render Animation renders",
        items=(
            ("SCENE", "Scene Range", "The frame range of the scene, as in the Output properties"),
            ("CURRENT", "Current Frame", "Only the frame the timeline is at"),
            ("CUSTOM", "Custom", "The frames listed below"),
        ),
        options=set(),
    )
    custom_frames: StringProperty(  # type: ignore[valid-type]
        name="List",
        description="Frames and ranges of frames to render, such as 1-50, 60, 70-90x2 (every second one)",
        options=set(),
    )


def machine_types(context: Context) -> tuple[str, ...]:
    """Return the names of the machine types of which one is rented, the user's favorite first; never empty."""
    return fields.types_of(_of(context).machine_type, _of(context).more_types)


def purchase(context: Context) -> Purchase:
    """Return how the machine is bought."""
    return fields.PURCHASES[_of(context).purchase]


def send(context: Context) -> Send:
    """Return which files are sent with the .blend."""
    return fields.SENDS[_of(context).send]


def max_cost(context: Context) -> float | None:
    """Return the limit in USD, None without one."""
    # RNA's numbers have 32 bits: 0.1 is 0.10000000149 there.
    return round(float(_of(context).max_cost), 2) or None


def max_hours(context: Context) -> float:
    """Return the limit in hours."""
    return round(float(_of(context).max_hours), 3)


def output_folder(context: Context) -> str:
    """Return the folder for frames as it was typed: it may begin with "//"."""
    return str(_of(context).output)


def frame_numbers(scene: Any, *, animation: bool) -> tuple[int, ...]:
    """Return the frames that a render of the animation, or of the image, is made of. Raises `UsageError`."""
    settings = scene.cloudrender
    if not animation or settings.frames == "CURRENT":
        return (int(scene.frame_current),)
    if settings.frames == "CUSTOM":
        return _parsed(settings.custom_frames)
    return _range(scene.frame_start, scene.frame_end, scene.frame_step)


# Both are asked at every redraw.


@functools.lru_cache(maxsize=8)
def _range(start: int, end: int, step: int) -> tuple[int, ...]:
    if end < start:
        raise UsageError("The scene's range ends before it begins", hint="Correct Start and End in the Frames panel")
    return tuple(range(start, end + 1, step))


@functools.lru_cache(maxsize=8)
def _parsed(text: str) -> tuple[int, ...]:
    return parse_frames(text)


def _of(context: Context) -> Any:
    return context.scene.cloudrender  # type: ignore[union-attr]


CLASSES = (CLOUDRENDER_PG_scene,)


def register() -> None:
    """Give every scene its settings."""
    scene_type: Any = bpy.types.Scene
    scene_type.cloudrender = PointerProperty(type=CLOUDRENDER_PG_scene)  # type: ignore[func-returns-value]


def unregister() -> None:
    """Take them away; what files say stays in them."""
    scene_type: Any = bpy.types.Scene
    del scene_type.cloudrender
