# SPDX-License-Identifier: GPL-3.0-or-later
"""Run as a program inside Blender: give the cube of a tiny scene two images, and save it. `textured` does so.

Usage: python textured.py SOURCE TARGET IMAGE…; an image is written where its path leads, unless it begins with "-".
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PYTHON = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev/bpy-4.2.23/bin/python"


def textured(source: Path, target: Path, *images: str) -> None:
    """Make `target` of `source`, a .blend, with these images as the colour of its cube. `//` is the target's folder."""
    command = [PYTHON, "-I", __file__, source, target, *images]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Error" not in made.stdout + made.stderr, made.stdout + made.stderr


def main(source: str, target: str, *images: str) -> None:
    import bpy

    bpy.ops.wm.open_mainfile(filepath=source)
    material = bpy.data.materials.new("Textured")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    colour = None
    for number, stored in enumerate(images):
        path = stored.removeprefix("-")
        if path == stored:
            _write(bpy, path.replace("//", str(Path(target).parent) + "/"), number)
        image = bpy.data.images.new(f"Image {number}", 8, 8)
        image.source = "FILE"
        image.filepath_raw = path
        node = tree.nodes.new("ShaderNodeTexImage")
        node.image = image
        if colour is None:
            colour = node.outputs["Color"]
        else:
            mix = tree.nodes.new("ShaderNodeMixRGB")
            mix.inputs["Fac"].default_value = 0.5
            tree.links.new(colour, mix.inputs["Color1"])
            tree.links.new(node.outputs["Color"], mix.inputs["Color2"])
            colour = mix.outputs["Color"]
    emission = tree.nodes.new("ShaderNodeEmission")
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(colour, emission.inputs["Color"])
    tree.links.new(emission.outputs[0], output.inputs[0])
    bpy.data.objects["Cube"].data.materials.clear()
    bpy.data.objects["Cube"].data.materials.append(material)
    bpy.ops.wm.save_as_mainfile(filepath=target, relative_remap=False)


def _write(bpy, path: str, number: int) -> None:
    """Write an image whose pixels differ from each other and from those of another number."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image = bpy.data.images.new("scratch", 8, 8)
    image.pixels = [v for n in range(64) for v in (n / 64, (number + 1) / 3, 1 - n / 64, 1)]
    image.filepath_raw, image.file_format = path, "PNG"
    image.save()
    bpy.data.images.remove(image)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)
