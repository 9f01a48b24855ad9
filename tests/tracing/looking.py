# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the paths of the open file lead, as Blender sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy


def blocks_with_paths() -> Iterator[Any]:
    """Yield the datablocks that are files."""
    yield from bpy.data.libraries
    yield from bpy.data.images
    for group in (bpy.data.movieclips, bpy.data.sounds, bpy.data.fonts, bpy.data.volumes, bpy.data.cache_files):
        yield from group


def other_paths() -> dict[str, str]:
    """Return the paths that are not of datablocks: what it is → absolute path."""
    found = {**_of_objects(), **_of_strips(), **_of_nodes()}
    for cache in bpy.data.cache_files:
        found.update({f"layer {layer.filepath[-9:]}": layer.filepath for layer in cache.layers})
    return {what: bpy.path.abspath(path) for what, path in found.items() if path}


def _of_objects() -> dict[str, str]:
    found = {}
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            for name in ("filepath", "bake_directory"):
                found[f"{one.name} {modifier.name} {name}"] = getattr(modifier, name, "")
            if modifier.type == "CLOTH":
                found[f"{one.name} cache"] = modifier.point_cache.filepath
            if modifier.type == "FLUID":
                found[f"{one.name} fluid"] = modifier.domain_settings.cache_directory
            if modifier.type == "NODES":
                found.update({f"{one.name} bake": bake.directory for bake in modifier.bakes})
                found.update({f"{one.name} {key}": text for key, text in modifier.items() if isinstance(text, str)})
        found.update({f"{one.name} particles": system.point_cache.filepath for system in one.particle_systems})
    return found


def _of_strips() -> dict[str, str]:
    found = {}
    for scene in bpy.data.scenes:
        editor = scene.sequence_editor
        for strip in (editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all) if editor else ():
            if strip.type == "MOVIE":
                found[f"strip {strip.name}"] = strip.filepath
            else:
                found.update({f"strip {strip.name} {e.filename}": strip.directory + e.filename for e in strip.elements})
    return found


def _of_nodes() -> dict[str, str]:
    found = {}
    for light in bpy.data.lights:
        for node in light.node_tree.nodes if light.library else ():
            if node.type == "TEX_IES":
                found[f"lamp {light.name}"] = node.filepath
                found[f"lamp {light.name} of its library"] = bpy.path.abspath(node.filepath, library=light.library)
    trees = [block.node_tree for block in (*bpy.data.materials, *bpy.data.lights) if block.node_tree]
    for tree in (*trees, *bpy.data.node_groups):
        for node in tree.nodes:
            found[f"node {node.name}"] = getattr(node, "filepath", "") or getattr(node, "string", "")
            found.update({f"node {node.name} {i.name}": i.default_value for i in node.inputs if i.type == "STRING"})
    return found
