# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the .blend files of the render tests: `PYTHON_OF_BPY scenes.py FOLDER`. Runs inside Blender's Python."""

import sys
from pathlib import Path

import bpy

IS_5 = bpy.app.version >= (5, 0)


def base():
    """Start over with the default cube, turning, rendered small and fast."""
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.render.resolution_x = scene.render.resolution_y = 32
    scene.render.filepath = "/nowhere/at/all_"
    scene.render.use_file_extension = False
    scene.render.use_overwrite = False
    scene.render.use_placeholder = True
    cube = bpy.data.objects["Cube"]
    cube.keyframe_insert("rotation_euler", frame=-10)
    cube.rotation_euler = (1, 2, 3)
    cube.keyframe_insert("rotation_euler", frame=10)
    return scene


def image_format(scene, name):
    settings = scene.render.image_settings
    if IS_5:
        kinds = {"OPEN_EXR_MULTILAYER": "MULTI_LAYER_IMAGE", "FFMPEG": "VIDEO"}
        settings.media_type = kinds.get(name, "IMAGE")
    settings.file_format = name


def compositor(scene):
    if IS_5:
        scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        return scene.compositing_node_group
    scene.use_nodes = True
    scene.node_tree.nodes.clear()
    return scene.node_tree


def file_outputs(scene):
    """Two File Output nodes with trouble in their names: one of images, one multilayer, the latter in a group."""
    tree = compositor(scene)
    layers = tree.nodes.new("CompositorNodeRLayers")
    if not IS_5:
        tree.links.new(layers.outputs[0], tree.nodes.new("CompositorNodeComposite").inputs[0])
    images = tree.nodes.new("CompositorNodeOutputFile")
    images.name = "Mäsk / out"
    group = bpy.data.node_groups.new("Inner", "CompositorNodeTree")
    group.interface.new_socket("Image", in_out="INPUT", socket_type="NodeSocketColor")
    multilayer = group.nodes.new("CompositorNodeOutputFile")
    multilayer.name = "Layers"
    holder = tree.nodes.new("CompositorNodeGroup")
    holder.node_tree = group
    if IS_5:
        images.format.media_type = "IMAGE"
        images.format.file_format = "PNG"
        images.directory = "/nowhere"
        images.file_name = "../escape"
        images.file_output_items.new("RGBA", "mask")
        multilayer.file_name = "all"
        multilayer.file_output_items.new("RGBA", "mask")
    else:
        images.base_path = "/nowhere"
        images.file_slots[0].path = "../escape/mask"
        multilayer.format.file_format = "OPEN_EXR_MULTILAYER"
        multilayer.base_path = "/nowhere/all"
    tree.links.new(layers.outputs[0], images.inputs[0])
    tree.links.new(layers.outputs[0], holder.inputs[0])
    group.links.new(group.nodes.new("NodeGroupInput").outputs[0], multilayer.inputs[0])


def simulation():
    """Let the cube move a bit with every frame, by a simulation that is not baked."""
    group = bpy.data.node_groups.new("Simulation", "GeometryNodeTree")
    for direction in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    new, link = group.nodes.new, group.links.new
    start, end = new("GeometryNodeSimulationInput"), new("GeometryNodeSimulationOutput")
    start.pair_with_output(end)
    move = new("GeometryNodeTransform")
    move.inputs["Translation"].default_value = (0.5, 0, 0)
    link(new("NodeGroupInput").outputs[0], start.inputs["Geometry"])
    link(start.outputs["Geometry"], move.inputs[0])
    link(move.outputs[0], end.inputs["Geometry"])
    link(end.outputs["Geometry"], new("NodeGroupOutput").inputs[0])
    cube = bpy.data.objects["Cube"]
    cube.animation_data_clear()
    cube.modifiers.new("Simulation", "NODES").node_group = group


def use(image):
    """Let the cube's material use an image."""
    tree = bpy.data.objects["Cube"].active_material.node_tree
    tree.nodes.new("ShaderNodeTexImage").image = image


def image_of(name, path, source="FILE"):
    image = bpy.data.images.new(name, 4, 4, tiled=source == "TILED")
    image.source = source
    image.filepath = path
    if source == "TILED":
        image.tiles.new(1002)
    return image


def make_library():
    bpy.data.objects.new("Linked", bpy.data.meshes.new("Linked"))
    bpy.data.objects["Linked"].use_fake_user = True


def files_elsewhere():
    """Use files that the test has, and more that it has not, in every way that an image is kept."""
    for name in ("here", "gone"):
        use(image_of(name, f"//tex/{name}.png"))
    packed = bpy.data.images.new("packed", 4, 4)
    packed.filepath_raw = str(Path(sys.argv[1]) / "packed.png")
    packed.file_format = "PNG"
    packed.save()
    packed = bpy.data.images.load(packed.filepath_raw)
    packed.pack()
    packed.filepath = "//tex/packed.png"
    assert packed.source == "FILE" and packed.packed_file
    use(packed)
    use(image_of("away", "C:/tex/away.png"))
    use(image_of("sequence", "//tex/walk_0001.png", source="SEQUENCE"))
    use(image_of("no sequence", "//tex/run_0001.png", source="SEQUENCE"))
    use(image_of("tiles", "//tex/tile.<UDIM>.png", source="TILED"))
    use(image_of("few tiles", "//tex/few.<UDIM>.png", source="TILED"))
    image_of("unused", "//tex/unused.png").use_fake_user = True
    for number in (1, 2):
        use(image_of(f"zz{number}", f"//tex/zz{number}.png"))
    with bpy.data.libraries.load(str(Path(sys.argv[1]) / "library.blend"), link=True, relative=False) as (_, into):
        into.objects = ["Linked"]
    bpy.data.libraries[0].filepath = "//lib/library.blend"
    bpy.context.scene.collection.objects.link(into.objects[0])


def save(name):
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(sys.argv[1]) / f"{name}.blend"), compress=False, relative_remap=False)


for name in ("PNG", "JPEG", "OPEN_EXR", "OPEN_EXR_MULTILAYER", "FFMPEG"):
    image_format(base(), name)
    save(name)

scene = base()
scene.cycles.device = "GPU"
scene.cycles.use_denoising = False
save("wants_gpu")

scene = base()
scene.render.use_multiview = True
save("stereo")

file_outputs(base())
save("file_outputs")

base()
simulation()
save("simulation")

scene = base()
scene.camera = None
save("no_camera")

scene = base()
scene.timeline_markers.new("plain", frame=1)
scene.timeline_markers.new("cut", frame=2).camera = scene.camera
scene.camera = None
save("camera_of_a_marker")

scene = base()
scene.camera = None
tree = compositor(scene)
color = tree.nodes.new("CompositorNodeRGB")
color.outputs[0].default_value = (1, 0, 0, 1)
if IS_5:
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    tree.links.new(color.outputs[0], tree.nodes.new("NodeGroupOutput").inputs[0])
else:
    tree.links.new(color.outputs[0], tree.nodes.new("CompositorNodeComposite").inputs[0])
save("compositing_only")

scene = base()
scene.camera = None
scene.sequence_editor_create()
strips = scene.sequence_editor.strips if IS_5 else scene.sequence_editor.sequences
end = {"length": 20} if IS_5 else {"frame_end": 20}
strips.new_effect(name="color", type="COLOR", channel=1, frame_start=1, **end)
save("sequence_only")

base()
make_library()
save("library")
base()
files_elsewhere()
save("files_elsewhere")


class Foreign(bpy.types.RenderEngine):
    bl_idname = "FOREIGN_RENDER"
    bl_label = "Foreign"


bpy.utils.register_class(Foreign)
base().render.engine = "FOREIGN_RENDER"
save("foreign_engine")
bpy.utils.unregister_class(Foreign)

base().render.engine = "BLENDER_WORKBENCH"
save("workbench")

for name, script in {
    "script": "print('SCRIPT RAN', flush=True)",
    "loses_camera": "bpy.app.handlers.frame_change_post.append(lambda scene, *_: setattr(scene, 'camera', None))",
}.items():
    base()
    text = bpy.data.texts.new("boot.py")
    text.use_module = True  # run when the file is opened, if it may
    text.write(f"import bpy\n{script}\n")
    save(name)
