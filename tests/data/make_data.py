"""Make the small .blend file beside this script: run with the Python of Blender 4.2, then of 5.0.

The one of 5.0 writes a movie, the one of 4.2 stills.
"""

import os
from pathlib import Path

import bpy

bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
scene = bpy.context.scene
scene.frame_start, scene.frame_end, scene.frame_step = 3, 9, 2
scene.frame_set(5)
bpy.data.scenes.new("Other scene").frame_end = 77
if bpy.app.version >= (5, 0):
    scene.render.image_settings.media_type = "VIDEO"
    scene.render.image_settings.file_format = "FFMPEG"
path = Path(__file__).with_name(f"scene-{bpy.app.version[0]}.{bpy.app.version[1]}.blend")
bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True, copy=True)
os._exit(0)
