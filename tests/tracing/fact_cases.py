# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects: simulations, what is foreign, stereo, snapshots, and what is hostile."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

from tests.tracing.making import away, empty, image, link, material, png, put, save, thing


def _move(name: str, kind: str) -> bpy.types.Modifier:
    return thing(name).modifiers.new(name, kind)


def simulations(project: Path) -> None:
    """Simulations that are not baked, two that are, and one that is not rendered."""
    scene = bpy.context.scene
    scene.frame_end = 3
    save(project / "main.blend")
    for name in ("curtain", "baked curtain", "hidden curtain"):
        cache = _move(name, "CLOTH").point_cache
        cache.frame_end = 3
        if name == "baked curtain":
            with bpy.context.temp_override(point_cache=cache):
                bpy.ops.ptcache.bake(bake=True)
    bpy.data.objects["hidden curtain"].hide_render = True
    _move("jelly", "SOFT_BODY")
    _move("rain", "PARTICLE_SYSTEM")
    _move("grass", "PARTICLE_SYSTEM")
    bpy.data.objects["grass"].particle_systems[0].settings.type = "HAIR"
    pond = _move("pond", "DYNAMIC_PAINT")
    with bpy.context.temp_override(object=pond.id_data, active_object=pond.id_data):
        bpy.ops.dpaint.type_toggle(type="CANVAS")
    with bpy.context.temp_override(object=thing("stone")):
        bpy.ops.rigidbody.world_add()
        scene.rigidbody_world.collection = bpy.data.collections.new("stones")
        scene.rigidbody_world.collection.objects.link(bpy.data.objects["stone"])
    group = bpy.data.node_groups.new("zone", "GeometryNodeTree")
    for direction in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    start, end = group.nodes.new("GeometryNodeSimulationInput"), group.nodes.new("GeometryNodeSimulationOutput")
    start.pair_with_output(end)
    if not end.state_items:
        end.state_items.new("GEOMETRY", "Geometry")
    links = ((group.nodes.new("NodeGroupInput"), start), (start, end), (end, group.nodes.new("NodeGroupOutput")))
    for one, other in links:
        group.links.new(one.outputs["Geometry"], other.inputs["Geometry"])
    for name in ("crowd", "baked crowd"):
        _move(name, "NODES").node_group = group
    bpy.context.view_layer.update()
    baked = bpy.data.objects["baked crowd"]
    modifier = baked.modifiers[0]
    modifier.bake_directory = "//crowd"  # before 4.3 there it is, later in the .blend
    with bpy.context.temp_override(object=baked, active_object=baked):
        bake = modifier.bakes[0]
        bake.use_custom_simulation_frame_range, bake.frame_start, bake.frame_end = True, 1, 2
        bpy.ops.object.geometry_node_bake_single(
            session_uid=baked.session_uid, modifier_name=modifier.name, bake_id=bake.bake_id
        )
    save(project / "main.blend")


def foreign(project: Path) -> None:
    """What needs an add-on, or Python, or was never saved."""

    class Engine(bpy.types.RenderEngine):
        bl_idname = "MY_ENGINE"
        bl_label = "My Engine"

    class Node(bpy.types.ShaderNodeCustomGroup):
        bl_idname = "MyNode"
        bl_label = "My Node"

    save(project / "main.blend")
    for own in (Engine, Node):
        bpy.utils.register_class(own)
    bpy.context.scene.name = "Shot"
    bpy.context.scene.render.engine = "MY_ENGINE"
    material("odd").node_tree.nodes.new("MyNode").name = "Special"
    bpy.data.texts.new("boot.py").use_module = True
    bpy.data.texts.new("notes.txt")
    made = thing("driven")
    for number, expression in enumerate(("frame * 2", "len(str(frame))")):
        made.driver_add("location", number).driver.expression = expression
    image("unsaved", "")
    save(project / "main.blend")
    for own in (Engine, Node):
        bpy.utils.unregister_class(own)


def stereo(project: Path) -> None:
    """One name is stored, both eyes' files are used."""
    outside = away(project)
    bpy.context.scene.render.use_multiview = True
    save(project / "main.blend")
    for name in ("view_L.png", "view_R.png", "strip_L.png", "strip_R.png"):
        png(outside / name)
    made = image("view", str(outside / "view_L.png"))
    made.use_multiview = True
    made.views_format = "INDIVIDUAL"
    made.filepath = str(outside / "view_L.png")
    editor = bpy.context.scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_image("strip", str(outside / "strip_L.png"), 1, 1)
    strip.use_multiview = True
    strip.views_format = "INDIVIDUAL"
    save(project / "main.blend")


def bakes_of_a_snapshot(project: Path) -> dict:
    """What a snapshot does not lead to: bakes, and the caches beside the original."""
    scene = bpy.context.scene
    scene.render.filepath = "//frames/"
    save(project / "scenes/main.blend")
    png(project / "scenes/tex/plain.png")
    image("plain", "//tex/plain.png")
    made = thing("thing")
    made.modifiers.new("cloth", "CLOTH").point_cache.use_disk_cache = True
    put(project / "scenes/blendcache_main/cloth_000001_00.bphys")
    group = bpy.data.node_groups.new("bake", "GeometryNodeTree")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    group.nodes.new("GeometryNodeBake")
    nodes = made.modifiers.new("nodes", "NODES")
    nodes.node_group = group
    bpy.context.view_layer.update()
    nodes.bake_directory = "//../bakes"
    put(project / f"bakes/{nodes.bakes[0].bake_id}/meta/1.json")
    put(project / "scenes/still.abc")
    put(project / "scenes/layer.abc")
    bpy.ops.cachefile.open(filepath=str(project / "scenes/still.abc"))
    bpy.data.cache_files[0].filepath = "//still.abc"
    bpy.data.cache_files[0].layers.new(filepath="//layer.abc")
    bpy.data.cache_files[0].use_fake_user = True
    save(project / "scenes/main.blend")
    copy = project.parent / "some/where/else/main.blend"
    copy.parent.mkdir(parents=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(copy), copy=True, relative_remap=True, compress=True)
    return {"blend": str(copy), "original": str(project / "scenes/main.blend"), "name": "scenes/main.blend"}


def hostile(project: Path) -> None:
    """A cache folder with many files, some with names that are none, links in a circle, and a broken library."""
    save(project / "broken.blend")
    thing("broken thing")
    save(project / "broken.blend")
    empty()
    save(project / "changed.blend")
    thing("lost thing")
    thing("kept thing")
    save(project / "changed.blend")
    empty()
    save(project / "main.blend")
    link(project / "broken.blend", "broken thing")
    link(project / "changed.blend", "lost thing", "kept thing")
    folder = project / "cache"
    folder.mkdir()
    for number in range(3000):
        (folder / f"rain_{number:06}_00.bphys").touch()
    (folder / "rain_\udcff_00.bphys").touch()
    (folder / "rain_\n_00.bphys").touch()
    (folder / "circle.bphys").symlink_to("circle.bphys")
    os.mkfifo(folder / "pipe.bphys")
    made = thing("rain")
    made.modifiers.new("rain", "PARTICLE_SYSTEM")
    made.particle_systems[0].point_cache.use_external = True
    made.particle_systems[0].point_cache.filepath = "//cache"
    put(project / "fluid/data/1.vdb")
    (project / "fluid/data/again").symlink_to(project / "fluid")
    smoke = bpy.data.objects.new("smoke", made.data)
    smoke.use_fake_user = True
    smoke.modifiers.new("fluid", "FLUID").fluid_type = "DOMAIN"
    smoke.modifiers[0].domain_settings.cache_directory = "//fluid"
    save(project / "main.blend")
    put(project / "broken.blend", b"BLENDER-v402 and nothing else")
    bpy.ops.wm.open_mainfile(filepath=str(project / "changed.blend"))
    bpy.data.objects["lost thing"].name = "another name"
    save(project / "changed.blend")
