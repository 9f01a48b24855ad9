# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: render one small frame of a .blend, and tell how far it differs from an earlier one.

The request is a JSON object, of which all paths are absolute: `blend`, `picture` (the PNG to make), `longest` (pixels
of its longer side), `samples` (at most), `engine` (in place of the scene's; null), `result` (the JSON file to make);
of the open file `copy` (where to save a copy and render that) and `original` (where the user has the file; null); of a
bundle `root` (its folder), `against` (the earlier picture) and `difference` (the picture to make of what differs).

The result has `frame`, `engine`, and of a bundle `differing` (share of the pixels; null: they are not of the same size)
and `reached` (files outside `root` that the .blend uses); or `error` with `message` and `hint`. From the time when the
file is open until the end it has `engine`, and `compiled` alone: that is what a crash leaves. These are files that were
not there, which the render makes beside the user's: whoever kills this Blender removes them.

Nothing of the user's is written to: File Output nodes are muted, and simulations without a bake have caches elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

from ..instance.blend_file import check_renderable
from ..instance.failure import Failure
from .as_copy import open_as_copy
from .forgotten import find_forgotten
from .nodes import all_trees
from .pixels import compare
from .usage import Usage

_SOUNDS: frozenset[str] = getattr(bpy.path, "extensions_audio", frozenset())


def main(request_path: Path) -> None:
    """Do what is asked, and end the process: some versions of the bpy module crash while they wind down."""
    request = json.loads(request_path.read_text(encoding="utf-8"))
    said: dict[str, Any] = {}
    try:
        _answer(request, said)
    except Failure as failure:
        said["error"] = {"message": failure.message, "hint": failure.hint}
    except RuntimeError as error:  # how an operator's error report arrives
        said["error"] = {
            "message": str(error).strip(),
            "hint": "Render the frame in Blender on this computer to see why",
        }
    except Exception as bug:  # noqa: BLE001 - the process's top: it must be told
        traceback.print_exc()
        said["error"] = {"message": f"Unexpected error: {bug!r}", "hint": "Please report it"}
    _tell(request, said)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _tell(request: dict[str, Any], said: dict[str, Any]) -> None:
    path = Path(request["result"])
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(said), encoding="utf-8")
    partial.replace(path)


def _answer(request: dict[str, Any], said: dict[str, Any]) -> None:
    blend, picture = Path(request["blend"]), Path(request["picture"])
    if "copy" in request:
        copy, original = Path(request["copy"]), request["original"]
        open_as_copy(blend, copy, prepare=lambda: find_forgotten(Path(original).parent) if original else None)
        blend = copy
    else:
        bpy.ops.wm.open_mainfile(filepath=str(blend), load_ui=False, use_scripts=False)
    scene: Any = bpy.context.scene
    check_renderable(scene, blend)
    if request["engine"]:
        scene.render.engine = request["engine"]
    said["engine"] = scene.render.engine
    compiled = _compiled_scripts() if "copy" in request else []
    _tell(request, {**said, "compiled": list(map(str, compiled))})
    _keep_fluids_apart(Path(request["result"]).parent / "fluids")
    _make_small(scene, longest=request["longest"], samples=request["samples"])
    _write_only(scene, picture)
    try:
        bpy.ops.render.render(write_still=True)
    finally:
        for path in compiled:
            path.unlink(missing_ok=True)  # nothing stays beside the user's files
    if not picture.is_file():
        raise Failure(kind="scene", message="Blender wrote no picture", hint="Render the frame in Blender to see why")
    said["frame"] = scene.frame_current
    if "against" in request:
        said["differing"] = compare(Path(request["against"]), picture, difference=Path(request["difference"]))
        said["reached"] = _outside(Path(request["root"]))


def _outside(root: Path) -> list[str]:
    """Return the files that are used and are not below the folder, though they are there: elsewhere they are not."""
    data: Any = bpy.data
    usage = Usage(data)
    rendered = {image: usage.is_rendered(image) for image in data.images}
    paths = {image: os.path.realpath(bpy.path.abspath(image.filepath, library=image.library)) for image in rendered}
    shown = {path for image, path in paths.items() if not rendered[image]}  # in an editor, say
    shown -= {path for image, path in paths.items() if rendered[image]}
    libraries = {os.path.realpath(bpy.path.abspath(library.filepath)) for library in data.libraries}
    own: list[Any] = [
        bpy.utils.resource_path(kind) for kind in ("LOCAL", "SYSTEM")
    ]  # Blender's fonts and brushes are everywhere
    places = [os.path.realpath(place) for place in (root, *own) if place]
    found = set()
    for path in bpy.utils.blend_paths(absolute=True, packed=False, local=False):
        real = os.path.realpath(path)
        # Blender remembers .blend files that something was only appended from.
        is_sound = os.path.splitext(real)[1].lower() in _SOUNDS  # strips keep old paths of theirs
        needed = real not in shown and not is_sound and (not real.endswith(".blend") or real in libraries)
        if needed and os.path.isfile(real) and not any(Path(real).is_relative_to(place) for place in places):
            found.add(real)
    return sorted(found)


def _make_small(scene: Any, *, longest: int, samples: int) -> None:
    """Let the render take seconds, on the processor: all that is asked is whether two of them are the same."""
    render = scene.render
    size = [render.resolution_x * render.resolution_percentage, render.resolution_y * render.resolution_percentage]
    scale = min(1, longest * 100 / max(size)) / 100
    render.resolution_x, render.resolution_y = (max(4, round(side * scale)) for side in size)  # Blender's least
    render.resolution_percentage = 100
    render.use_multiview = False
    render.use_persistent_data = False
    if render.engine == "CYCLES":
        cycles = scene.cycles
        cycles.device = "CPU"
        cycles.samples = min(cycles.samples, samples)
        cycles.use_adaptive_sampling = cycles.use_denoising = False
        cycles.time_limit = 0
        for layer in scene.view_layers:
            layer.samples = 0  # the scene's
    else:
        scene.eevee.taa_render_samples = min(scene.eevee.taa_render_samples, samples)


def _write_only(scene: Any, picture: Path) -> None:
    """See to it that the render writes this picture, as it is seen on a screen, and nothing else."""
    for node in _file_outputs():
        node.mute = True
    render, image = scene.render, scene.render.image_settings
    render.filepath = str(picture)
    render.use_file_extension = render.use_overwrite = True
    render.use_placeholder = False
    if hasattr(render, "save_output"):  # 5.2
        render.save_output = True
    if hasattr(image, "media_type"):  # 5.0
        image.media_type = "IMAGE"
    image.file_format, image.color_mode, image.color_depth = "PNG", "RGBA", "16"
    image.color_management = "FOLLOW_SCENE"
    render.dither_intensity = 0
    render.use_stamp = False  # it may hold the file's path and the time


def _file_outputs() -> Iterator[Any]:
    data: Any = bpy.data
    trees = [*data.node_groups, *(getattr(scene, "node_tree", None) for scene in data.scenes)]
    for tree in trees:
        if tree is not None:
            yield from (node for node in tree.nodes if node.type == "OUTPUT_FILE")


def _keep_fluids_apart(folder: Path) -> None:
    """Let fluids without a bake, which Blender simulates as it renders, write to an empty folder."""
    data: Any = bpy.data
    for number, thing in enumerate(data.objects):
        for modifier in thing.modifiers:
            domain = modifier.domain_settings if modifier.type == "FLUID" else None
            if domain and (domain.cache_type == "REPLAY" or not domain.has_cache_baked_data):
                domain.cache_directory = str(folder / str(number))


def _compiled_scripts() -> list[Path]:
    """Return what Cycles will compile external scripts to, beside them, as far as that is not there."""
    nodes = [node for _, _, tree in all_trees(bpy.data) for node in tree.nodes if node.type == "SCRIPT"]
    scripts = {bpy.path.abspath(node.filepath, library=node.id_data.library) for node in nodes}
    data: Any = bpy.data
    for camera in data.cameras:  # since 5.0 they may be scripts
        scripts.add(bpy.path.abspath(getattr(camera, "custom_filepath", ""), library=camera.library))
    paths = [Path(script).with_suffix(".oso") for script in scripts if os.path.basename(script)]
    return [path for path in paths if not path.exists()]
