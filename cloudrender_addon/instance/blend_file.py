# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: is the open file the one that was asked for, and can its scene be rendered at all?"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

import bpy

from .blend_output import compositor_tree
from .failure import Failure

_PROBED_BYTES = 4096
_ENGINE_BYTES = 32  # DNA_scene_types.h: char engine[32]


def check_renderable(scene: Any, path: Path) -> None:
    """Raise `Failure` (kind "scene") unless `path` is open and `scene` has what a render needs."""
    # Blender goes on with its default scene when a file cannot be read, and would render that.
    if not bpy.data.filepath or os.path.realpath(bpy.data.filepath) != os.path.realpath(path):
        raise _unusable(
            f"Blender {bpy.app.version_string} cannot read {path.name}: it is missing, damaged or not a .blend",
            hint="Open it on your computer, save it, and render again.",
        )
    engine = _stored_engine(scene)
    if engine and engine != scene.render.engine:
        raise _unusable(
            f"The scene needs the render engine {engine}, which the rented machine does not have",
            hint="Choose Cycles, EEVEE or Workbench, or use an image with that engine's add-on installed.",
        )
    if not has_picture(scene):
        raise _unusable(
            f"The scene {scene.name!r} has no camera", hint="Set the scene's camera, save, and render again."
        )
    # Meant for quick looks in the window; the command line ignores it, and so does a render for money.
    scene.render.use_single_layer = False


def _unusable(message: str, *, hint: str) -> Failure:
    return Failure(kind="scene", message=message, hint=hint)


def _stored_engine(scene: Any) -> str:
    """Return the engine's name as it is in the file, or "" if it cannot be told.

    For an engine that is not there, `render.engine` answers with the first one that is, and Blender would render
    with that. So the name's place in memory is found in a scene whose engine is known, and read in this one.
    """
    probe: Any = bpy.data.scenes.new("cloudrender probe")
    try:
        places = []
        for known in ("BLENDER_WORKBENCH", "CYCLES"):
            probe.render.engine = known
            memory = ctypes.string_at(probe.render.as_pointer(), _PROBED_BYTES)
            places.append(memory.find(known.encode() + b"\0"))
    except TypeError:  # a Blender built without one of them
        return ""
    finally:
        bpy.data.scenes.remove(probe)
    if places[0] < 0 or places[0] != places[1]:
        return ""
    raw = ctypes.string_at(scene.render.as_pointer() + places[0], _ENGINE_BYTES)
    return raw.split(b"\0")[0].decode("ascii", errors="replace")


def has_picture(scene: Any) -> bool:
    """Tell whether there is a camera, or a sequence or compositing that needs none."""
    if scene.camera or any(marker.camera for marker in scene.timeline_markers):
        return True
    editor = scene.sequence_editor
    if scene.render.use_sequencer and editor:
        strips = editor.strips if hasattr(editor, "strips") else editor.sequences  # before 4.4
        if len(strips):
            return True
    tree = compositor_tree(scene) if scene.render.use_compositing else None
    return tree is not None and not any(node.type == "R_LAYERS" for node in tree.nodes)
