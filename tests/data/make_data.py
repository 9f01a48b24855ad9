"""Make the small .blend files beside this script: run with the Python of Blender 4.2, then of 5.0.

`scene-*.blend` have odd frame settings; the one of 5.0 writes a movie. `tiny-*.blend` render in an instant, and
every frame of their animation differs; `crashing-*.blend` are these with a script that kills Blender.
"""

import os
from pathlib import Path

import bpy

SERIES = f"{bpy.app.version[0]}.{bpy.app.version[1]}"


def save(name: str) -> None:
    path = Path(__file__).with_name(f"{name}-{SERIES}.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True, copy=True)


def make_scene() -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end, scene.frame_step = 3, 9, 2
    scene.frame_set(5)
    bpy.data.scenes.new("Other scene").frame_end = 77
    if bpy.app.version >= (5, 0):
        scene.render.image_settings.media_type = "VIDEO"
        scene.render.image_settings.file_format = "FFMPEG"
    save("scene")


def make_tiny() -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 4
    scene.cycles.use_denoising = False
    scene.render.resolution_x, scene.render.resolution_y = 64, 36
    scene.render.resolution_percentage = 100
    scene.frame_start, scene.frame_end = 1, 6
    cube = bpy.data.objects["Cube"]
    for frame in (1, 6):
        cube.rotation_euler.z = frame
        cube.keyframe_insert("rotation_euler", frame=frame)
    save("tiny")


def make_crashing() -> None:
    """Let Blender die of a script in frame 3 of the tiny scene, where scripts are allowed to run."""
    text = bpy.data.texts.new("crash.py")
    text.use_module = True
    text.write(
        "import bpy, os, signal\n"
        "def crash(scene, *_):\n"
        "    if scene.frame_current == 3:\n"
        "        print('the script pulls the plug', flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "bpy.app.handlers.frame_change_pre.append(crash)\n"
    )
    save("crashing")


make_scene()
make_tiny()
make_crashing()
os._exit(0)
