# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects: every other kind of file."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import bpy

from tests.tracing.making import away, empty, font, image, link, material, png, put, save, thing


def datablocks(project: Path) -> None:
    """Everything that is a datablock and a file."""
    outside = away(project)
    save(project / "main.blend")
    png(project / "clip/take_001.png")
    png(project / "clip/take_002.png")
    clip = bpy.data.movieclips.load(str(project / "clip/take_001.png"))
    clip.name = "sequence"
    assert clip.source == "SEQUENCE"
    put(outside / "movie.mp4")
    movie = bpy.data.movieclips.load(str(outside / "movie.mp4"))
    movie.name = "movie"
    background = bpy.data.movieclips.load(str(png(project / "no/background.png")))
    background.name = "background"
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.background_images.new().source = "MOVIE_CLIP"
    camera.data.background_images[0].clip = background
    bpy.context.scene.collection.objects.link(camera)
    for used in (clip, movie):
        constraint = camera.constraints.new("FOLLOW_TRACK")
        constraint.clip = used
    put(outside / "sound.wav")
    bpy.data.sounds.load(str(outside / "sound.wav")).use_fake_user = True
    font(project / "fonts/letters.woff2")
    curve = bpy.data.curves.new("text", "FONT")
    curve.font = bpy.data.fonts.load(str(project / "fonts/letters.woff2"))
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("text", curve))
    for name, sequence in (("smoke", True), ("cloud", False)):
        volume = bpy.data.volumes.new(name)
        volume.filepath = f"//vdb/{name}_0007.vdb"
        volume.is_sequence = sequence
        volume.use_fake_user = True
        for number in (7, 8, 9):
            put(project / f"vdb/{name}_{number:04}.vdb")
    for name, sequence in (("still.abc", False), ("moving_01.abc", True)):
        put(outside / name)
        put(outside / name.replace("1", "2"))
        bpy.ops.cachefile.open(filepath=str(outside / name))
        cache = bpy.data.cache_files[-1] if name in bpy.data.cache_files[-1].filepath else bpy.data.cache_files[0]
        cache.name = name
        cache.is_sequence = sequence
        cache.use_fake_user = True
    put(outside / "layer.abc")
    bpy.data.cache_files["still.abc"].layers.new(filepath=str(outside / "layer.abc"))
    save(project / "main.blend")


def strips(project: Path) -> None:
    """The video sequencer."""
    outside = away(project)
    put(outside / "Film.mp4")
    put(project / "media/other.mp4")
    for name in ("a.png", "B.png", "c.png"):
        png(project / "media" / name)
    put(project / "media/not used.png")
    save(project / "main.blend")
    editor = bpy.context.scene.sequence_editor_create()
    made = editor.strips if hasattr(editor, "strips") else editor.sequences
    made.new_movie("film", str(outside / "film.mp4"), 1, 1)
    made.new_movie("other", "//media/other.mp4", 2, 1)
    made.new_movie("lost", "//media/lost.mp4", 3, 1)
    strip = made.new_image("images", "//Media/a.png", 4, 1)
    for name in ("b.png", "c.png"):
        strip.elements.append(name)
    save(project / "main.blend")


def modifiers(project: Path) -> None:
    """What modifiers read, but for simulations."""
    outside = away(project)
    scene = bpy.context.scene
    save(project / "main.blend")
    made = thing("thing")
    put(outside / "points.pc2")
    made.modifiers.new("points", "MESH_CACHE").filepath = str(outside / "points.pc2")
    for name in ("disp_0001.exr", "foam_0001.exr", "other.exr"):
        put(outside / "ocean" / name)
    ocean = made.modifiers.new("ocean", "OCEAN")
    ocean.resolution = ocean.viewport_resolution = 1
    ocean.frame_end = 1
    ocean.filepath = str(outside / "ocean") + "/"
    with bpy.context.temp_override(object=made, active_object=made):
        bpy.ops.object.ocean_bake(modifier="ocean")
    # In a Blender without windows nobody notes that it is baked, which Python may only read: it is the byte behind the
    # path (1024 bytes) and the names of two layers (68 bytes each).
    place = ctypes.string_at(ocean.as_pointer(), 4096).index(ocean.filepath.encode() + b"\0") + 1024 + 2 * 68
    ctypes.c_byte.from_address(ocean.as_pointer() + place).value = 1
    assert ocean.is_cached
    group = bpy.data.node_groups.new("simulation", "GeometryNodeTree")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    nodes = made.modifiers.new("nodes", "NODES")
    nodes.node_group = group
    group.nodes.new("GeometryNodeBake")
    bpy.context.view_layer.update()
    assert len(nodes.bakes) == 1
    bake = str(nodes.bakes[0].bake_id)
    put(project / "bakes" / bake / "meta/000010_000.json")
    put(project / "bakes" / bake / "blobs/000010_000.blob")
    put(project / "bakes/12345/meta/000010_000.json")
    if hasattr(nodes, "bake_target"):
        nodes.bake_target = "DISK"
    nodes.bake_directory = "//bakes"
    own = thing("own")
    nodes = own.modifiers.new("nodes", "NODES")
    nodes.node_group = group
    bpy.context.view_layer.update()
    nodes.bakes[0].use_custom_path = True
    nodes.bakes[0].directory = str(outside / "own bake")
    put(outside / "own bake/meta/000010_000.json")
    put(outside / "own bake/blobs/000010_000.blob")
    put(outside / "own bake/other/file")
    carved = bpy.data.objects.new("carved", thing("flat").data)
    scene.collection.objects.link(carved)
    carved.modifiers.new("multires", "MULTIRES")
    with bpy.context.temp_override(object=carved, active_object=carved):
        bpy.ops.object.multires_subdivide(modifier="multires", mode="CATMULL_CLARK")
        bpy.ops.object.multires_external_save(modifier="multires", filepath=str(project / "carved.btx"))
    carved.modifiers[0].filepath = str(project / "carved.btx")
    save(project / "main.blend")


def caches(project: Path) -> None:
    """Caches of simulations. None is baked: what matters is where they would be."""
    outside = away(project)
    scene = bpy.context.scene
    save(project / "main.blend")
    for name in ("cloth", "soft", "hair", "rigid"):
        put(project / f"blendcache_main/{name}_000001_00.bphys")
    put(project / "blendcache_main/other.txt")
    put(outside / "particles/rain_000001_00.bphys")
    put(outside / "particles/readme.txt")
    put(outside / "fluid/data/fluid_data_0001.vdb")
    put(outside / "fluid/config/config_0001.uni")
    put(outside / "fluid/private.txt")
    cloth = thing("cloth").modifiers.new("cloth", "CLOTH")
    cloth.point_cache.use_disk_cache = True
    rain = thing("rain")
    rain.modifiers.new("rain", "PARTICLE_SYSTEM")
    cache = rain.particle_systems[0].point_cache
    cache.use_external = True
    cache.filepath = str(outside / "particles") + "/"
    for name, path in (("nothing", ""), ("root", "/"), ("home", os.path.expanduser("~")), ("above", "//../")):
        other = thing(name)
        other.modifiers.new(name, "CLOTH").point_cache.use_external = True
        other.modifiers[0].point_cache.filepath = path
    (project / "to root").symlink_to("/")
    other = thing("link")
    other.modifiers.new("link", "CLOTH").point_cache.use_external = True
    other.modifiers[0].point_cache.filepath = "//to root"
    smoke = bpy.data.objects.new("smoke", thing("mesh").data)  # in no scene: this Blender cannot simulate it
    smoke.use_fake_user = True
    smoke.modifiers.new("fluid", "FLUID").fluid_type = "DOMAIN"
    smoke.modifiers[0].domain_settings.cache_directory = str(outside / "fluid")
    scene.frame_set(1)
    save(project / "main.blend")


def nodes(project: Path) -> None:
    """What nodes read."""
    outside = away(project)
    save(project / "main.blend")
    put(outside / "osl/glow.osl", b'#include "more/parts.h"\nshader glow() {}')
    put(outside / "osl/glow.oso")
    put(outside / "osl/more/parts.h")
    put(outside / "osl/other.h")
    put(project / "lamp.ies")
    tree = material("surface").node_tree
    script = tree.nodes.new("ShaderNodeScript")
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"  # others would compile it
    script.mode = "EXTERNAL"
    script.filepath = str(outside / "osl/glow.osl")
    light = bpy.data.lights.new("lamp", "POINT")
    light.use_nodes = True
    light.use_fake_user = True
    ies = light.node_tree.nodes.new("ShaderNodeTexIES")
    ies.mode = "EXTERNAL"
    ies.filepath = str(project / "lamp.ies")
    picture = image("light texture", str(png(outside / "gobo.png")), use=False)
    light.node_tree.nodes.new("ShaderNodeTexImage").image = picture
    group = bpy.data.node_groups.new("import", "GeometryNodeTree")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    user = thing("user").modifiers.new("nodes", "NODES")
    user.node_group = group
    text = group.nodes.new("FunctionNodeInputString")
    text.string = "//lamp.ies/../lamp.ies"
    if bpy.app.version >= (4, 5):
        put(outside / "shape.stl")
        group.nodes.new("GeometryNodeImportSTL").inputs[0].default_value = str(outside / "shape.stl")
        socket = group.interface.new_socket("File", in_out="INPUT", socket_type="NodeSocketString")
        socket.subtype = "FILE_PATH"
        put(outside / "chosen.csv")
        user[socket.identifier] = str(outside / "chosen.csv")
    save(project / "main.blend")


def lamps(project: Path) -> dict:
    """A library's light distributions: one far from it, one beside itself, one beside the main file."""
    outside = away(project)
    for path in (outside / "far.ies", outside / "lib/near.ies", project / "scenes/mine.ies"):
        put(path)
    save(outside / "lib/lamps.blend")
    for name, path in (("far", str(outside / "far.ies")), ("near", "//near.ies"), ("mine", "//mine.ies")):
        light = bpy.data.lights.new(name, "POINT")
        light.use_nodes = True
        node = light.node_tree.nodes.new("ShaderNodeTexIES")
        node.mode = "EXTERNAL"
        node.filepath = path
        bpy.context.scene.collection.objects.link(bpy.data.objects.new(name, light))
    save(outside / "lib/lamps.blend")
    empty()
    save(project / "scenes/main.blend")
    link(outside / "lib/lamps.blend", "far", "near", "mine")
    save(project / "scenes/main.blend")
    main = str(project / "scenes/main.blend")
    return {"blend": main, "original": main, "name": "scenes/main.blend"}
