# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with what is to be rendered: the scene, the machine, the engine and the add-ons it needs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bpy

from ..backend.errors import CloudrenderError
from . import compat, properties
from .online import OFFLINE
from .problem import Problem, error, refused, warning
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context

    from .addons import Need

_ENGINE_LABELS = {"CYCLES": "Cycles", compat.EEVEE: "EEVEE", "BLENDER_WORKBENCH": "Workbench"}


def scene_problems(context: Context, *, animation: bool) -> Iterator[Problem]:
    """Yield what is wrong with the scene as it is."""
    from .addons import needed_addons  # noqa: PLC0415 - of no use when enabling

    scene: Any = context.scene
    needs = needed_addons(scene)
    yield from _setting_problems(context, animation=animation)
    yield from _engine_problems(scene.render.engine, properties.machine_types(context), needs)
    yield from _addon_problems(needs)


def _setting_problems(context: Context, *, animation: bool) -> Iterator[Problem]:
    from ..instance.blend_file import has_picture  # noqa: PLC0415 - ctypes, which is of no use when enabling

    scene: Any = context.scene
    if not bpy.app.online_access:
        operator = "" if bpy.app.online_access_override else "extensions.userpref_allow_online"
        yield error(OFFLINE.message, OFFLINE.hint, operator)
    if not has_picture(scene):
        yield error("The scene has no camera", "Add one with Add > Camera, and make it active with View > Cameras")
    yield from _machine_problems(properties.machine_types(context))
    yield from _version_problems(bpy.app)
    try:
        properties.frame_numbers(scene, animation=animation)
    except CloudrenderError as cause:
        yield refused(cause)
    if animation and scene.render.is_movie_format:
        yield warning(
            "The output is a movie: its frames are rendered as PNG images, to be made a movie afterwards",
            "Choose an image format in the Output properties if PNG does not suit you",
        )
    if bpy.app.autoexec_fail:
        yield warning(
            "Python scripts and drivers of this file are blocked, there as they are here",
            "If you trust the file, open it again and choose Allow Execution",
        )


def _machine_problems(names: tuple[str, ...]) -> Iterator[Problem]:
    """Say of each type whether there can be such a machine, by its name and by the prices that were asked for."""
    from ..backend.aws.arm import is_arm, no_blender  # noqa: PLC0415 - of no use when enabling

    listed = any(quote.on_demand_usd is not None for quote in SESSION.quotes.values())
    for name in names:
        quote = SESSION.quotes.get(name)
        if not re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", name):
            yield error(f"{name} is not the name of a machine type", "Choose one in the Machine panel")
        elif is_arm(name):
            yield refused(no_blender(name))
        elif listed and quote is not None and quote.spot_usd is None and quote.on_demand_usd is None:
            yield error(
                f"{name} is not to be had: Amazon has no price for it in this region",
                "Choose another type in the Machine panel, or another region in the preferences",
            )


def _version_problems(app: Any) -> Iterator[Problem]:
    if app.version_cycle != "release":
        series = ".".join(map(str, app.version[:2]))
        yield warning(
            f"This is Blender {app.version_string}: the machine renders with the newest release of {series}, if any",
            "Use a released Blender, to be sure of the same picture",
        )


def _engine_problems(engine: str, machine_types: tuple[str, ...], needs: tuple[Need, ...]) -> Iterator[Problem]:
    from .addons import brings_engine  # noqa: PLC0415 - of no use when enabling

    label = _ENGINE_LABELS.get(engine)
    without = [name for name in machine_types if not _has_gpu(name)]
    if label is None and not brings_engine(needs, engine):
        yield error(
            f"The render engine {engine} is not part of Blender, and not on the machine",
            "Choose Cycles, EEVEE or Workbench in the Render properties",
        )
    elif label is not None and engine != "CYCLES" and without:
        yield warning(
            f"{label} needs a GPU, which {without[0]} does not have: it is slow there or fails",
            "Choose a machine with a GPU, such as g4dn.xlarge, or render with Cycles",
        )


def _addon_problems(needs: tuple[Need, ...]) -> Iterator[Problem]:
    for need in needs:
        if need.installed.obstacle:
            yield warning(
                f"The add-on {need.installed.name} is not sent: {need.installed.obstacle}",
                "Bake or apply what it does, or the frames will look different",
                names=(f"Used for {need.purpose}",),
            )


def _has_gpu(machine_type: str) -> bool:
    from ..backend.aws.choices import CHOICES  # noqa: PLC0415 - of no use when enabling

    for choice in CHOICES:
        if choice.name == machine_type:
            return bool(choice.gpu)
    return machine_type.startswith(("g", "p"))  # Amazon's families of machines with GPUs
