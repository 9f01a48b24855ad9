# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the sequencer and of the compositor."""

from __future__ import annotations

import ctypes
import math
import shutil
import struct
import wave
from pathlib import Path
from typing import Any

import bpy

from tests.tracing.whole_project.parts import add_effect, strips
from tests.tracing.whole_project.stage import Stage

EDIT = "Edit"
COMPOSITE = "Composite"
SILENT = "a sound is not seen"


def _place(stage: Stage, strip: Any) -> None:
    """Show a strip small, in a cell of its own."""
    column, row, _ = stage.cell(EDIT)
    strip.blend_type = "ALPHA_OVER"
    strip.transform.offset_x, strip.transform.offset_y = column * 8 - 28, row * 8 - 28
    strip.transform.filter = "NEAREST"


def _channel(stage: Stage) -> int:
    return len(strips(stage.scene(EDIT))) + 1


def image_strips(stage: Stage) -> None:
    """Images and a sequence of them in the sequencer."""
    path = stage.picture(stage.place("edit/title.png"), size=8)
    strip = strips(stage.scene(EDIT)).new_image("title", str(path), _channel(stage), 1, fit_method="ORIGINAL")
    strip.frame_final_duration = 3
    strip.directory = stage.relative(path.parent) + "/"
    _place(stage, strip)
    stage.need(path, scene=EDIT)
    paths = [stage.picture(stage.away(f"edit/shot {number}.png"), size=8) for number in (1, 2, 3)]
    strip = strips(stage.scene(EDIT)).new_image("shots", str(paths[0]), _channel(stage), 1, fit_method="ORIGINAL")
    for path in paths[1:]:
        _set_size(strip.elements.append(path.name), 8)
    strip.frame_final_duration = 3
    strip.directory = str(paths[0].parent) + "/"
    _place(stage, strip)
    for frame, path in enumerate(paths, 1):
        stage.need(path, scene=EDIT, frame=frame)


def _set_size(element: Any, size: int) -> None:
    """Give an element the size of its picture: Blender gives one that Python adds whatever was in the memory there.

    Python may only read it: two numbers behind the name, which takes 256 bytes.
    """
    (ctypes.c_int * 2).from_address(element.as_pointer() + 256)[:] = [size, size]
    assert element.orig_width == element.orig_height == size


def movie_strip(stage: Stage) -> None:
    """A movie in the sequencer."""
    path = stage.movie(stage.place("edit/clip.mkv"))
    strip = strips(stage.scene(EDIT)).new_movie("clip", str(path), _channel(stage), 1, fit_method="ORIGINAL")
    strip.filepath = stage.relative(path)
    strip.transform.scale_x = strip.transform.scale_y = 0.5
    _place(stage, strip)
    stage.need(path, scene=EDIT)


def text_strip(stage: Stage) -> None:
    """A font in the sequencer."""
    fonts = Path(bpy.utils.system_resource("DATAFILES", path="fonts"))
    source = min(fonts.glob("Inter.*"))  # not the font that is shown for want of another
    path = shutil.copyfile(source, stage.place(f"edit/subtitles{source.suffix}"))
    strip = add_effect(stage.scene(EDIT), name="text", kind="TEXT", channel=_channel(stage), start=1, length=3)
    strip.text = "iWi"
    strip.font_size = 20
    strip.font = bpy.data.fonts.load(str(path), check_existing=False)
    strip.font.filepath = stage.relative(path)
    strip.blend_type = "ALPHA_OVER"
    stage.need(path, scene=EDIT, kept_in_memory=True)


def _wav(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(step / 5))) for step in range(1000)))
    return path


def sounds(stage: Stage) -> None:
    """A sound in the sequencer, and the sound of a speaker."""
    if bpy.app.build_options.audaspace:  # the bpy module of 4.2 was built without
        path = _wav(stage.place("edit/steps.wav"))
        strip = strips(stage.scene(EDIT)).new_sound("steps", str(path), _channel(stage), 1)
        strip.sound.filepath = stage.relative(path)
        stage.need(path, hidden=SILENT)
    path = _wav(stage.away("sounds/bell.wav"))
    speaker = bpy.data.speakers.new("bell")
    speaker.sound = bpy.data.sounds.load(str(path))
    stage.scene(EDIT).collection.objects.link(bpy.data.objects.new("bell", speaker))
    stage.need(path, hidden=SILENT)


def scene_strip(stage: Stage) -> None:
    """Scenes in the sequencer."""
    scene = stage.scene(EDIT)
    for each in bpy.data.scenes:
        if each.camera and each.name not in (EDIT, "workshop"):
            strip = strips(scene).new_scene(each.name, each, _channel(stage), 1)
            strip.frame_final_duration = 3
            strip.transform.scale_x = strip.transform.scale_y = 1 / 8
            _place(stage, strip)
    scene.render.use_sequencer = True
    for frame in (1, 2, 3):
        stage.watch(EDIT, frame)


# The compositor


def _compositor(scene: Any) -> tuple[Any, Any]:
    """The scene's compositing nodes, and the socket that takes the picture."""
    if bpy.app.version >= (5, 0):
        tree = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        scene.compositing_node_group = tree
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        return tree, tree.nodes.new("NodeGroupOutput").inputs[0]
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    return tree, tree.nodes.new("CompositorNodeComposite").inputs["Image"]


def compositor(stage: Stage) -> None:
    """Pictures, a sequence and clips in the compositor."""
    scene = stage.scene(COMPOSITE)
    tree, picture = _compositor(scene)
    before = tree.nodes.new("CompositorNodeRLayers")
    before.scene = scene
    before = before.outputs["Image"]
    for node in (*_images(stage, tree), *_clips(stage, tree)):
        column, row, _ = stage.cell(COMPOSITE)
        move = tree.nodes.new("CompositorNodeTranslate")
        move.inputs[1].default_value, move.inputs[2].default_value = column * 8 - 28, row * 8 - 28
        tree.links.new(node.outputs["Image"], move.inputs[0])
        over = tree.nodes.new("CompositorNodeAlphaOver")
        background, foreground = [socket for socket in over.inputs if socket.type == "RGBA"]
        tree.links.new(before, background)
        tree.links.new(move.outputs[0], foreground)
        before = over.outputs[0]
    tree.links.new(before, picture)


def _images(stage: Stage, tree: Any) -> list[Any]:
    path = stage.picture(stage.place("comp/frame.png"), size=8)
    node = tree.nodes.new("CompositorNodeImage")
    node.image = bpy.data.images.load(str(path))
    node.image.filepath = stage.relative(path)
    stage.need(path, scene=COMPOSITE)
    paths = [stage.picture(stage.place(f"comp/noise.{number}.png"), size=8) for number in (1, 2, 3)]
    sequence = tree.nodes.new("CompositorNodeImage")
    sequence.image = bpy.data.images.load(str(paths[0]))
    sequence.image.source = "SEQUENCE"
    sequence.image.filepath = stage.relative(paths[0])
    sequence.frame_start, sequence.frame_duration, sequence.frame_offset = 1, 3, 0
    for frame, path in enumerate(paths, 1):
        stage.need(path, scene=COMPOSITE, frame=frame)
    return [node, sequence]


def _clips(stage: Stage, tree: Any) -> list[Any]:
    movie = stage.movie(stage.away("comp/take.mkv"))
    stage.need(movie, scene=COMPOSITE)
    paths = [stage.picture(stage.place(f"comp/plate_{number:03}.png"), size=8) for number in (1, 2, 3)]
    for frame, path in enumerate(paths, 1):
        stage.need(path, scene=COMPOSITE, frame=frame)
    nodes = []
    for path in (movie, paths[0]):
        node = tree.nodes.new("CompositorNodeMovieClip")
        node.clip = bpy.data.movieclips.load(str(path))
        node.clip.filepath = stage.relative(path)
        nodes.append(node)
    return nodes


ALL = (compositor, image_strips, movie_strip, text_strip, sounds, scene_strip)
