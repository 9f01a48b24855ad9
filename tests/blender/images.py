# SPDX-License-Identifier: GPL-3.0-or-later
"""Let Blender write an image in every format it has: `PYTHON_OF_BPY images.py FOLDER`. Runs inside Blender's Python.

The names say what is in them: `FORMAT-MODE-DEPTH[-CODEC].EXTENSION`.
"""

import os
import sys
from pathlib import Path

import bpy

FOLDER = Path(sys.argv[1])
WIDTH, HEIGHT = 61, 47  # fits no block of any format

MOVIES = ("FFMPEG", "AVI_JPEG", "AVI_RAW")
CODECS = {
    "OPEN_EXR": "exr_codec",
    "OPEN_EXR_MULTILAYER": "exr_codec",
    "TIFF": "tiff_codec",
    "JPEG2000": "jpeg2k_codec",
}


def values(settings, name):
    """Return those of an enumeration's values that can be chosen now."""
    for item in settings.bl_rna.properties[name].enum_items:
        try:
            setattr(settings, name, item.identifier)
        except TypeError:
            continue
        yield item.identifier


def make_scene():
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.render.resolution_percentage = 100
    scene.view_layers[0].use_pass_z = True
    return scene


def write(scene, name):
    scene.render.filepath = str(FOLDER / f"{name}{scene.render.file_extension}")
    try:
        bpy.ops.render.render(write_still=True)
    except RuntimeError as error:
        print(f"NOT WRITTEN: {name}: {error}")


def write_numbers(scene):
    """Leave the number that each format has in a .blend."""
    kinds = scene.render.image_settings.bl_rna.properties["file_format"].enum_items
    (FOLDER / "formats.txt").write_text("".join(f"{kind.identifier} {kind.value}\n" for kind in kinds))


def write_all(scene):
    settings = scene.render.image_settings
    for media in list(values(settings, "media_type")) if hasattr(settings, "media_type") else [None]:
        if media:
            settings.media_type = media
        for kind in [kind for kind in values(settings, "file_format") if kind not in MOVIES]:
            settings.file_format = kind
            for mode in list(values(settings, "color_mode")):
                settings.color_mode = mode
                for depth in list(values(settings, "color_depth")):
                    settings.color_depth = depth
                    write(scene, f"{kind}-{mode}-{depth}")
            for codec in list(values(settings, CODECS[kind])) if kind in CODECS else []:
                setattr(settings, CODECS[kind], codec)
                write(scene, f"{kind}-{mode}-{depth}-{codec}")


def write_views(scene):
    """Two views in one EXR: a file of several parts."""
    scene.render.use_multiview = True
    settings = scene.render.image_settings
    for kind in ("OPEN_EXR", "OPEN_EXR_MULTILAYER"):
        if hasattr(settings, "media_type"):
            settings.media_type = "MULTI_LAYER_IMAGE" if "LAYER" in kind else "IMAGE"
        settings.file_format = kind
        settings.views_format = "MULTIVIEW"
        write(scene, f"VIEWS-{kind}")


scene = make_scene()
write_numbers(scene)
write_all(scene)
write_views(scene)
sys.stdout.flush()
os._exit(0)
