# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user would notice of a changed session, as lines that can be compared (runs in Blender)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

_LEFT_OUT = ("rna_type", "tool_settings")
"""Blender 4.2 crashes when it is asked for some of its tools' settings, without a window."""


def session_state() -> list[str]:
    """List the file, every data-block with what uses it, all settings of the scene, where images are, recent files."""
    return [*_file(), *_blocks(), *_images(), *_settings("scene", bpy.context.scene), *_recent_files()]


def _file() -> Iterator[str]:
    yield f"file {bpy.data.filepath}, changed {bpy.data.is_dirty}, saved {bpy.data.is_saved}"
    yield f"scene {bpy.context.scene.name}, layer {bpy.context.view_layer.name}, folder {os.getcwd()}"  # noqa: PTH109
    selected = [found.name for found in bpy.context.view_layer.objects if found.select_get()]
    yield f"active {bpy.context.view_layer.objects.active}, selected {selected}"


def _blocks() -> Iterator[str]:
    for prop in bpy.data.bl_rna.properties:
        if prop.type == "COLLECTION":
            for block in getattr(bpy.data, prop.identifier):
                yield f"{prop.identifier}: {block.name_full}, {block.users} users, of {block.library}"


def _images() -> Iterator[str]:
    for image in bpy.data.images:
        packed = [each.filepath for each in image.packed_files]
        yield f"{image.name}: {image.filepath_raw}, {image.source}, changed {image.is_dirty}, packed {packed}"
    yield from (f"library {library.filepath}" for library in bpy.data.libraries)


def _settings(where: str, owner: Any) -> Iterator[str]:
    """List the properties of this and of what belongs to it, but not of other data-blocks."""
    for prop in owner.bl_rna.properties:
        if prop.identifier in _LEFT_OUT:
            continue
        value = getattr(owner, prop.identifier)
        if prop.type == "POINTER" and value is not None and not isinstance(value, bpy.types.ID):
            if where.count(".") < 3:
                yield from _settings(f"{where}.{prop.identifier}", value)
        elif prop.type == "COLLECTION":
            yield f"{where}.{prop.identifier}: {len(value)}"
        else:
            yield f"{where}.{prop.identifier} = {value[:] if getattr(prop, 'is_array', False) else value}"


def _recent_files() -> Iterator[str]:
    for path in sorted(Path(bpy.utils.user_resource("CONFIG")).glob("*.txt")):
        yield f"{path.name}: {path.read_text(encoding='utf-8')}"
