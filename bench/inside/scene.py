# SPDX-License-Identifier: GPL-3.0-or-later
"""scene.py FOLDER MEGABYTES FRAMES SECONDS REPORT, in Blender: make the project of the viewport's measurement.

A few heads move in the viewport, and images of that many megabytes lie beside it. Its frames are a still
from the sequencer, and a script in the file waits that many seconds before each one: a render that takes its time and
next to none of this computer's, as if it were done elsewhere.
"""

import json
import math
import os
import sys
from pathlib import Path

import bpy
import numpy as np

WIDTH, HEIGHT = 1920, 1080
SCRIPT = """
import time
import bpy

def wait(*_):
    time.sleep({seconds})

if bpy.app.background:
    bpy.app.handlers.render_pre.append(wait)
"""


def save_still(path):
    """Save an image that takes as many bytes as a rendered frame: half of it is grain."""
    rng = np.random.default_rng(1)
    pixels = np.full((HEIGHT, WIDTH, 4), 0.5, dtype=np.float32)
    pixels[: HEIGHT // 2, :, :3] = rng.random((HEIGHT // 2, WIDTH, 3))
    image = bpy.data.images.new("Still", WIDTH, HEIGHT)
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()


def fill(scene):
    """Put spinning heads there: few, as software draws them where no graphics card is."""
    bpy.ops.mesh.primitive_monkey_add()
    first = bpy.context.object
    first.rotation_euler = (0, 0, 0)
    first.keyframe_insert("rotation_euler", frame=1)
    first.rotation_euler = (0, 0, math.tau)
    first.keyframe_insert("rotation_euler", frame=250)
    for number in range(1, 9):
        head = first.copy()
        head.location = (number % 3 * 3, number // 3 * 3, 0)
        scene.collection.objects.link(head)


def main(folder, megabytes, frames, seconds):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    fill(scene)
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    save_still(folder / "still.png")
    scene.sequence_editor_create().sequences.new_image(
        "Still", str(folder / "still.png"), 1, 1
    ).frame_final_end = 10_000
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.render.engine = "CYCLES"
    scene.frame_end = frames
    scene.render.fps = 1000  # as fast as it goes
    text = bpy.data.texts.new("wait.py")
    text.write(SCRIPT.format(seconds=seconds))
    text.use_module = True
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "film.blend"), relative_remap=True)
    bpy.ops.file.make_paths_relative()
    bpy.ops.wm.save_mainfile()
    rng = np.random.default_rng(2)
    for number in range(megabytes // 10):
        (folder / f"scan-{number}.exr").write_bytes(rng.bytes(10_000_000))


if __name__ == "__main__":
    place, size, count, wait, report = sys.argv[1:]
    main(Path(place), int(size), int(count), float(wait))
    Path(report).write_text(json.dumps({}), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # some versions of the module crash while the interpreter winds down
