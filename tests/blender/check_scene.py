# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the project of the tests of Check Snapshot: `PYTHON_OF_BPY check_scene.py FOLDER`. Runs inside Blender's Python.

`film.blend` uses `tex/wood.png`, has a File Output node that would write beside it, and particles with a disk cache
that is not baked. `absolute.blend` uses the same picture by its absolute path, `no_camera.blend` has nothing to show.
"""

import sys
from pathlib import Path

import bpy

IS_5 = bpy.app.version >= (5, 0)
FOLDER = Path(sys.argv[1])


def compositing(scene):
    if IS_5:
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        end = tree.nodes.new("NodeGroupOutput")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        end = tree.nodes.new("CompositorNodeComposite")
    layers, output = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeOutputFile")
    if IS_5:
        output.directory = str(FOLDER / "nodes")
        output.file_output_items.new("RGBA", "mask")
    else:
        output.base_path = str(FOLDER / "nodes")
    tree.links.new(layers.outputs[0], end.inputs[0])
    tree.links.new(layers.outputs[0], output.inputs[0])


def wood():
    image = bpy.data.images.new("Wood", 64, 64)
    image.generated_type = "COLOR_GRID"
    image.filepath_raw, image.file_format = str(FOLDER / "tex" / "wood.png"), "PNG"
    image.save()
    image.source = "FILE"
    tree = bpy.data.objects["Cube"].active_material.node_tree
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    tree.links.new(texture.outputs[0], tree.nodes["Principled BSDF"].inputs["Base Color"])
    return image


def save(name):
    bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / f"{name}.blend"), compress=False, relative_remap=False)


bpy.ops.wm.read_homefile(use_factory_startup=True)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.render.resolution_x, scene.render.resolution_y = 1600, 900
scene.render.filepath = str(FOLDER / "frames" / "####")
(FOLDER / "tex").mkdir()
image = wood()
bpy.context.view_layer.objects.active = bpy.data.objects["Cube"]
bpy.data.objects["Cube"].modifiers.new("Dust", "PARTICLE_SYSTEM")
system = bpy.data.objects["Cube"].particle_systems[0]
system.settings.count, system.settings.frame_end = 20, 10
compositing(scene)
bpy.ops.wm.save_as_mainfile(filepath=str(FOLDER / "absolute.blend"), compress=False, relative_remap=False)
image.filepath = "//tex/wood.png"
shown = bpy.data.images.load(str(FOLDER / "tex" / "wood.png"), check_existing=False)
shown.name, shown.use_fake_user = "Shown", True
system.point_cache.use_disk_cache = True
save("film")
scene.camera = None
save("no_camera")
