# SPDX-License-Identifier: GPL-3.0-or-later
"""References of nodes: scripts, light distributions, and the files that geometry nodes import."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .compat import CYCLES_PATHS_ARE_OF_MAIN
from .reference import Kind, Reference

_NUMBERED = re.compile(r"\d+\.vdb$", re.IGNORECASE)


def all_trees(data: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield every node tree: what it is called to the user, the datablock that it is stored in, the tree."""
    for tree in data.node_groups:
        yield f"node group {tree.name}", tree, tree
    kinds = {"material": data.materials, "world": data.worlds, "light": data.lights, "texture": data.textures}
    for kind, blocks in {**kinds, "line style": data.linestyles, "scene": data.scenes}.items():
        for block in blocks:
            tree = getattr(block, "node_tree", None)  # scenes have none from 5.0 on
            if tree is not None:
                yield f"{kind} {block.name}", block, tree


def node_references(data: Any) -> Iterator[Reference]:
    """Yield the references of all nodes, and of cameras that are a script."""
    for owner, block, tree in all_trees(data):
        for node in tree.nodes:
            if node.type == "SCRIPT" and node.mode == "EXTERNAL" and node.filepath:
                yield from _script(block, f"script node of {owner}", node.filepath)
            elif node.type == "TEX_IES" and node.mode == "EXTERNAL" and node.filepath:
                name = f"IES node of {owner}"
                yield Reference(owner=name, block=block, path=node.filepath, of_either=CYCLES_PATHS_ARE_OF_MAIN)
            elif tree.type == "GEOMETRY":
                yield from _imports(block, owner, node)
    for camera in data.cameras:
        if getattr(camera, "custom_mode", "") == "EXTERNAL" and camera.type == "CUSTOM" and camera.custom_filepath:
            yield from _script(camera, f"camera {camera.name}", camera.custom_filepath)


def modifier_inputs(thing: Any, modifier: Any, owner: str) -> Iterator[Reference]:
    """Yield the files that are chosen in a modifier of geometry nodes."""
    group = modifier.node_group
    for item in group.interface.items_tree if group is not None else ():
        if item.item_type == "SOCKET" and getattr(item, "subtype", "") == "FILE_PATH":
            path = modifier.get(item.identifier)
            if isinstance(path, str) and path:
                # Relative to where the group is, not the object: ensure_absolute_path() in nodes/NOD_geometry_exec.
                yield Reference(owner=owner, block=thing, path=path, kind=_kind(path), relative_to=group)


def _imports(block: Any, owner: str, node: Any) -> Iterator[Reference]:
    for socket in node.inputs:
        path = socket.default_value if socket.bl_idname == "NodeSocketStringFilePath" else ""
        if path and not socket.is_linked:
            yield Reference(owner=f"node {node.name} of {owner}", block=block, path=path, kind=_kind(path))
    if node.type == "INPUT_STRING" and node.string.startswith("//"):
        # It may be a path, or not: sent if it is there.
        path = node.string
        yield Reference(owner=f"node {node.name} of {owner}", block=block, path=path, kind=_kind(path), required=False)


def _kind(path: str) -> Kind:
    """Tell whether the other numbers may be meant, too: the name may be put together from the frame."""
    return Kind.SEQUENCE if _NUMBERED.search(path) else Kind.FILE


def _script(block: Any, owner: str, path: str) -> Iterator[Reference]:
    """Yield a script and, if it is there, what it was compiled to: it lies beside it and is used in its place."""
    yield Reference(owner=owner, block=block, path=path, kind=Kind.SCRIPT, of_either=CYCLES_PATHS_ARE_OF_MAIN)
