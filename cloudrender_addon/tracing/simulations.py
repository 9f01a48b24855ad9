# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulations that are rendered and not baked: a machine that starts in the middle does not know what came before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SIMULATED_PHYSICS = {"NEWTON", "BOIDS", "FLUID"}
_NAMED = 5


def unbaked(data: Any) -> Iterator[str]:
    """Yield what is not baked, as "cloth of Curtain".

    Fluids and zones of geometry nodes are with their folders: `objects.py`.
    """
    for thing in data.objects:
        if not thing.hide_render:
            yield from _of_object(thing)
    for scene in data.scenes:
        world = scene.rigidbody_world
        moved = world is not None and world.enabled and world.collection is not None and len(world.collection.objects)
        if moved and not world.point_cache.is_baked:
            yield f"rigid bodies of scene {scene.name}"


def sentences(names: list[str]) -> list[str]:
    """Return what is to be said of these: nothing or one sentence."""
    if not names:
        return []
    distinct = list(dict.fromkeys(names))  # an override has the name of what it overrides
    named = ", ".join(distinct[:_NAMED])
    more = f" and {len(distinct) - _NAMED:,} more" if len(distinct) > _NAMED else ""
    return [f"Not baked, so it may look different on a machine that starts in the middle: {named}{more}."]


def _of_object(thing: Any) -> Iterator[str]:
    for modifier in thing.modifiers:
        if not modifier.show_render:
            continue
        if modifier.type in ("CLOTH", "SOFT_BODY"):
            if not modifier.point_cache.is_baked:
                yield f"{'cloth' if modifier.type == 'CLOTH' else 'soft body'} of {thing.name}"
        elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings is not None:
            surfaces = modifier.canvas_settings.canvas_surfaces
            painted = [one for one in surfaces if one.is_active and one.surface_format == "VERTEX"]
            if not all(one.point_cache.is_baked for one in painted):
                yield f"dynamic paint of {thing.name}"
        elif modifier.type == "PARTICLE_SYSTEM":
            system = modifier.particle_system
            if _is_simulated(system) and not system.point_cache.is_baked:
                yield f"particles of {thing.name}"


def _is_simulated(system: Any) -> bool:
    settings = system.settings
    if settings is None:
        return False
    if settings.type == "HAIR":
        return bool(system.use_hair_dynamics)
    return settings.physics_type in _SIMULATED_PHYSICS and settings.count > 0
