# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: what Blender forgets when it leads the paths of a copy to where those of the original lead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .compat import CYCLES_PATHS_ARE_OF_MAIN
from .nodes import all_trees, modifier_inputs


def find_forgotten(home: Path) -> None:
    """Let it be found beside the original, whose folder is `home`.

    That are bakes of geometry nodes, layers of cache files, what nodes import or are given in a modifier, and scripts
    and light distributions of libraries, where these are looked for from the main file.
    """
    data: Any = bpy.data
    for thing in data.objects:
        for modifier in thing.modifiers:
            if modifier.type == "NODES" and thing.library is None:
                _of_modifier(thing, modifier, home)
    for cache in data.cache_files:
        for layer in cache.layers if cache.library is None else ():
            layer.filepath = _from(home, layer.filepath)
    for _, block, tree in all_trees(data):
        for node in tree.nodes:
            if block.library is None:
                _of_node(node, home)
            elif CYCLES_PATHS_ARE_OF_MAIN and node.type in ("SCRIPT", "TEX_IES"):
                path = Path(_from(home, node.filepath))
                if node.mode == "EXTERNAL" and path.is_file():
                    node.filepath = str(path)


def _of_modifier(thing: Any, modifier: Any, home: Path) -> None:
    modifier.bake_directory = _from(home, modifier.bake_directory)
    for bake in modifier.bakes:
        bake.directory = _from(home, bake.directory)
    inputs = {reference.path for reference in modifier_inputs(thing, modifier, "")}
    for name in list(modifier.keys()):
        if modifier[name] in inputs:
            modifier[name] = _from(home, modifier[name])


def _of_node(node: Any, home: Path) -> None:
    if node.bl_idname.startswith("GeometryNodeImport"):
        for socket in node.inputs:
            if socket.type == "STRING":
                socket.default_value = _from(home, socket.default_value)
    elif node.type == "INPUT_STRING":
        path = Path(_from(home, node.string))  # if it is one
        if node.string.startswith("//") and path.exists():
            node.string = str(path)


def _from(home: Path, stored: str) -> str:
    return str(home / stored[2:].replace("\\", "/")) if stored.startswith("//") else stored
