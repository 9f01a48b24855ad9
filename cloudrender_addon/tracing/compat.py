# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Blender versions differ in what a trace asks of them."""

from __future__ import annotations

from typing import Any

import bpy

CYCLES_PATHS_ARE_OF_MAIN = bpy.app.version >= (5, 0)
"""From 5.0 on, Cycles takes `//` of scripts and light distributions in a library for the folder of the main file."""


def all_strips(scene: Any) -> list[Any]:
    """Return all strips of a scene, those within meta strips included. They were "sequences" before 4.4."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all)


def is_archive(library: Any) -> bool:
    """Tell whether a library stands for what is packed of it in another .blend, from 5.0 on."""
    return bool(getattr(library, "is_archive", False))


def is_simulation(bake: Any) -> bool:
    """Tell whether a bake of geometry nodes is a simulation zone's, not a bake node's."""
    return bake.node is not None and bake.node.bl_idname == "GeometryNodeSimulationOutput"


def known_paths(data: Any) -> list[tuple[Any, str]]:
    """Return the paths that Blender itself knows of: datablock and stored path; before 4.5 None and absolute path."""
    if hasattr(data, "file_path_map"):
        return [(block, path) for block, paths in data.file_path_map().items() for path in paths]
    return [(None, path) for path in bpy.utils.blend_paths(absolute=True, packed=False, local=False)]
