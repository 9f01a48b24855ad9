# SPDX-License-Identifier: GPL-3.0-or-later
"""References of objects: what modifiers and simulations read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .compat import is_simulation
from .nodes import modifier_inputs
from .reference import Contents, Kind, Reference

POINT_CACHE = Contents(suffixes=(".bphys",))
_FLUID = Contents(subfolders=("config", "data", "guiding", "mesh", "noise", "particles", "script"))
_OCEAN = Contents(suffixes=(".exr",), prefixes=("disp_", "foam_", "normal_", "spray_", "eminus_", "eplus_"))
_BAKE = ("blobs", "meta")


def object_references(data: Any) -> Iterator[Reference]:
    """Yield the references of objects, and of the rigid bodies of scenes."""
    for thing in data.objects:
        for modifier in thing.modifiers:
            yield from _modifier(thing, modifier)
        for system in thing.particle_systems:
            yield from _point_cache(thing, system.point_cache, f"particles {system.name} of {thing.name}")
    for scene in data.scenes:
        world = scene.rigidbody_world
        if world is not None and world.point_cache is not None:
            yield from _point_cache(scene, world.point_cache, f"rigid bodies of scene {scene.name}")


def _modifier(thing: Any, modifier: Any) -> Iterator[Reference]:
    owner = f"modifier {modifier.name} of {thing.name}"
    if modifier.type == "MESH_CACHE" and modifier.filepath:
        yield Reference(owner=owner, block=thing, path=modifier.filepath)
    elif modifier.type == "OCEAN" and modifier.is_cached and modifier.filepath:
        yield Reference(owner=owner, block=thing, path=modifier.filepath, kind=Kind.FOLDER, contents=_OCEAN)
    elif modifier.type == "MULTIRES" and modifier.is_external and modifier.filepath:
        yield Reference(owner=owner, block=thing, path=modifier.filepath)
    elif modifier.type == "FLUID" and modifier.domain_settings is not None:
        yield _fluid(thing, modifier)
    elif modifier.type in ("CLOTH", "SOFT_BODY"):
        yield from _point_cache(thing, modifier.point_cache, owner)
    elif modifier.type == "DYNAMIC_PAINT" and modifier.canvas_settings is not None:
        for surface in modifier.canvas_settings.canvas_surfaces:
            yield from _point_cache(thing, surface.point_cache, f"surface {surface.name} of {thing.name}")
    elif modifier.type == "NODES":
        yield from _bakes(thing, modifier, owner)
        yield from modifier_inputs(thing, modifier, owner)


def _fluid(thing: Any, modifier: Any) -> Reference:
    domain = modifier.domain_settings
    return Reference(
        owner=f"fluid {thing.name}",
        block=thing,
        path=domain.cache_directory,
        kind=Kind.FOLDER,
        contents=_FLUID,
        required=domain.has_cache_baked_any,
        simulation=f"fluid of {thing.name}" if modifier.show_render and not thing.hide_render else "",
    )


def _point_cache(block: Any, cache: Any, owner: str) -> Iterator[Reference]:
    """Yield the folder that a cache on disk is in: one that was chosen, or the .blend's own.

    Source: ptcache_path() in blenkernel/intern/pointcache.cc.
    """
    of_main = not cache.use_library_path
    if cache.use_external:
        yield Reference(
            owner=owner,
            block=block,
            path=cache.filepath,
            kind=Kind.FOLDER,
            contents=POINT_CACHE,
            of_main=of_main,
        )
    elif cache.use_disk_cache:
        yield Reference(
            owner=owner,
            block=block,
            path="",
            kind=Kind.BLENDCACHE,
            contents=POINT_CACHE,
            required=cache.is_baked,
            of_main=of_main,
        )


def _bakes(thing: Any, modifier: Any, owner: str) -> Iterator[Reference]:
    """Yield the folders of bake nodes and simulation zones: the modifier's with one for each, or their own.

    Blender saves a copy elsewhere without changing these paths. A folder that is named need not be there.
    """
    for bake in modifier.bakes:
        own = bake.use_custom_path and bake.directory
        is_rendered = modifier.show_render and not thing.hide_render
        yield Reference(
            owner=owner,
            block=thing,
            path=bake.directory if own else modifier.bake_directory,
            kind=Kind.FOLDER,
            contents=Contents(subfolders=_BAKE if own else (str(bake.bake_id),)),
            beside_original=True,
            required=False,
            simulation=f"simulation zone of {thing.name}" if is_rendered and is_simulation(bake) else "",
            bake=bake.bake_id,
        )
