# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that are stored in a .blend and that Blender does not tell, since it lacks what they name.

For such a one Python is shown something else: the first render engine that is there, `NodeUndefined`. So the name's
place in memory is found in something whose name is known, and read in the unknown.
"""

from __future__ import annotations

import ctypes
from typing import Any

_ENGINE_BYTES = 32  # DNA_scene_types.h: char engine[32]
_ENGINE_WITHIN = 4096
_NODE_BYTES = 64  # DNA_node_types.h: char idname[64]
_NODE_WITHIN = 256
"""How far from a struct's beginning a name is looked for: less than the struct's size."""


def unknown_engine(data: Any, scene: Any) -> str:
    """Return the name of a scene's render engine if this Blender does not have it, else ""."""
    probe = data.scenes.new("cloudrender probe")
    try:
        places = set()
        for known in ("BLENDER_WORKBENCH", "CYCLES"):
            probe.render.engine = known
            places.add(_place(probe.render, known, within=_ENGINE_WITHIN))
    except TypeError:  # a Blender built without one of them
        return ""
    finally:
        data.scenes.remove(probe)
    name = _read(scene.render, places, size=_ENGINE_BYTES)
    return "" if name == scene.render.engine else name


def undefined_nodes(data: Any, trees: list[Any]) -> list[str]:
    """Return the types of all nodes that this Blender does not know; their names if that cannot be told."""
    unknown = [node for tree in trees for node in tree.nodes if node.bl_idname == "NodeUndefined"]
    if not unknown:
        return []
    probe = data.node_groups.new("cloudrender probe", "ShaderNodeTree")
    try:
        known = ("ShaderNodeMath", "NodeReroute")
        places = {_place(probe.nodes.new(kind), kind, within=_NODE_WITHIN) for kind in known}
    finally:
        data.node_groups.remove(probe)
    return sorted({_read(node, places, size=_NODE_BYTES) or node.name for node in unknown})


def _place(holder: Any, name: str, *, within: int) -> int:
    return ctypes.string_at(holder.as_pointer(), within).find(name.encode("ascii") + b"\0")


def _read(holder: Any, places: set[int], *, size: int) -> str:
    if len(places) != 1 or -1 in places:
        return ""
    (place,) = places
    raw = ctypes.string_at(holder.as_pointer() + place, size)
    return raw.split(b"\0")[0].decode("utf-8", errors="replace")
