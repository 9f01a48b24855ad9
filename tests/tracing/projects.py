# SPDX-License-Identifier: GPL-3.0-or-later
"""The projects of the tests, made inside Blender."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import bpy

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c6338e1a0000002fc01295161b2ac0000000049454e44ae426082"
)


def empty() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(path), relative_remap=False)


def png(path: Path | str) -> str:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(PNG)
    return str(path)


def image(name: str, stored: str, *, source: str = "FILE", use: bool = True) -> bpy.types.Image:
    """Make an image datablock with a stored path, used by a material."""
    made = bpy.data.images.new(name, 1, 1, tiled=source == "TILED")
    made.source = source
    made.filepath_raw = stored
    if use:
        node = material(f"material {name}").node_tree.nodes.new("ShaderNodeTexImage")
        node.image = made
    return made


def material(name: str) -> bpy.types.Material:
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    made.use_fake_user = True
    return made


def thing(name: str) -> bpy.types.Object:
    """Make an object with a material of its name."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def link(library: Path, *names: str, relative: bool = True) -> None:
    """Link objects into the open file's scene, which must be saved if the path is to be relative."""
    with bpy.data.libraries.load(str(library), link=True, relative=relative) as (_, wanted):
        wanted.objects = list(names)
    for made in wanted.objects:
        bpy.context.scene.collection.objects.link(made)


def blocks_with_paths():
    """Yield what the reports speak of."""
    yield from bpy.data.libraries
    yield from bpy.data.images
    for group in (bpy.data.movieclips, bpy.data.sounds, bpy.data.fonts, bpy.data.volumes, bpy.data.cache_files):
        yield from group


def more() -> dict[str, str]:
    """Return the paths that are not of datablocks: what it is → absolute path."""
    found = {}
    for one in bpy.data.objects:
        for modifier in one.modifiers:
            for name in ("filepath", "bake_directory"):
                found[f"{one.name} {modifier.name} {name}"] = getattr(modifier, name, "")
            if modifier.type == "CLOTH":
                found[f"{one.name} cache"] = modifier.point_cache.filepath
            if modifier.type == "FLUID":
                found[f"{one.name} fluid"] = modifier.domain_settings.cache_directory
            if modifier.type == "NODES":
                found.update({f"{one.name} bake": bake.directory for bake in modifier.bakes})
                found.update({f"{one.name} {key}": text for key, text in modifier.items() if isinstance(text, str)})
        found.update({f"{one.name} particles": system.point_cache.filepath for system in one.particle_systems})
    for scene in bpy.data.scenes:
        editor = scene.sequence_editor
        for strip in (editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all) if editor else ():
            if strip.type == "MOVIE":
                found[f"strip {strip.name}"] = strip.filepath
            else:
                found.update({f"strip {strip.name} {e.filename}": strip.directory + e.filename for e in strip.elements})
    trees = [block.node_tree for block in (*bpy.data.materials, *bpy.data.lights) if block.node_tree]
    for tree in (*trees, *bpy.data.node_groups):
        for node in tree.nodes:
            found[f"node {node.name}"] = getattr(node, "filepath", "") or getattr(node, "string", "")
            found.update({f"node {node.name} {i.name}": i.default_value for i in node.inputs if i.type == "STRING"})
    found.update(
        {f"layer {layer.filepath[-9:]}": layer.filepath for cache in bpy.data.cache_files for layer in cache.layers}
    )
    return {what: bpy.path.abspath(path) for what, path in found.items() if path}


# -- the cases ------------------------------------------------------------------------------------------------


def images(project: Path) -> None:
    """Images of every spelling a path can have."""
    outside = project.parent / "elsewhere" / "textures"
    for path in ("tex/plain.png", "tex/Wood Grain.png", "tex/über/Ñandú 木.png", "tex/back.png", "up.png", "abs.png"):
        png(project / path)
    png(outside / "outside.png")
    png(project.parent / "shared.png")
    (project / "linked.png").symlink_to(outside / "outside.png")
    (project / "linked folder").symlink_to(outside)
    for number in (1, 2, 10, 12345):
        png(project / f"seq/frame_{number:04}.png")
    png(project / "seq/frame_x.png")
    for number in (1001, 1002, 1011):
        png(project / f"tiles/skin.{number}.png")
        png(project / f"tiles/uv_u{(number - 1001) % 10 + 1}_v{(number - 1001) // 10 + 1}.png")
    for name in ("packed", "empty", "brush", "unused"):
        png(project / f"no/{name}.png")
    save(project / "main.blend")
    image("plain", "//tex/plain.png")
    image("case", "//TEX/wood grain.PNG")
    image("unicode", "//tex/über/Ñandú 木.png")
    image("backslash", "//tex\\back.png")
    image("dots", "//tex/../tex/./../up.png")
    image("absolute", str(project / "abs.png"))
    image("outside", str(outside / "outside.png"))
    image("outside again", "//../shared.png")
    image("link", "//linked.png")
    image("in linked folder", "//linked folder/outside.png")
    image("through linked folder", "//linked folder/../textures/outside.png")
    image("sequence", "//seq/frame_0001.png", source="SEQUENCE")
    image("tiles", "//tiles/skin.<UDIM>.png", source="TILED")
    image("uvtiles", "//tiles/uv_<UVTILE>.png", source="TILED")
    image("missing", "//tex/nowhere.png")
    image("windows", "C:\\textures\\far.png")
    png(project / "tex/\x01\udcff.png")
    image("strange", "//tex/\x01\udcff.png")
    packed = image("packed", "//no/packed.png")
    packed.pack()
    image("unused", "//no/unused.png", use=False).use_fake_user = True
    image("generated", "//no/generated.png", source="GENERATED")
    holder = bpy.data.objects.new("reference picture", None)
    holder.empty_display_type = "IMAGE"
    holder.data = image("empty", "//no/empty.png", use=False)
    bpy.context.scene.collection.objects.link(holder)
    texture = bpy.data.textures.new("brush texture", "IMAGE")
    texture.image = image("brush", "//no/brush.png", use=False)
    brush = bpy.data.brushes.new("brush")
    brush.texture = texture
    brush.use_fake_user = True
    save(project / "main.blend")


def libraries(project: Path) -> None:
    """The main file links a library outside, which links another with an absolute texture; a circle; a missing one."""
    outside = project.parent / "elsewhere"
    png(outside / "deep" / "wood.png")
    png(project / "props" / "stone.png")
    save(outside / "deep" / "deep.blend")
    made = thing("deep thing")
    image("wood", str(outside / "deep" / "WOOD.png"))
    image("not linked", "//not linked.png")
    made.data.materials.append(bpy.data.materials["material wood"])
    save(outside / "deep" / "deep.blend")

    empty()
    save(outside / "middle.blend")
    link(outside / "deep" / "deep.blend", "deep thing", relative=False)
    held = bpy.data.objects.new("middle thing", None)
    held.parent = bpy.data.objects["deep thing"]
    bpy.context.scene.collection.objects.link(held)
    save(outside / "middle.blend")

    empty()
    save(project / "props" / "untouched.blend")
    made = thing("stone thing")
    image("stone", "//stone.png")
    made.data.materials.append(bpy.data.materials["material stone"])
    save(project / "props" / "untouched.blend")

    empty()
    thing("lost thing")
    save(project / "lost.blend")

    empty()
    save(project / "main.blend")
    thing("main thing")
    save(project / "main.blend")

    empty()
    save(project / "circle.blend")
    link(project / "main.blend", "main thing")
    made = thing("circle thing")
    made.parent = bpy.data.objects["main thing"]
    save(project / "circle.blend")

    bpy.ops.wm.open_mainfile(filepath=str(project / "main.blend"))
    link(outside / "middle.blend", "middle thing", relative=False)
    link(project / "props" / "untouched.blend", "stone thing")
    link(project / "lost.blend", "lost thing")
    link(project / "circle.blend", "circle thing")
    save(project / "main.blend")
    (project / "lost.blend").unlink()


def untouched(project: Path) -> None:
    """All is where it should be: the user's own files are sent."""
    png(project / "tex/plain.png")
    save(project / "main.blend")
    image("plain", "//tex/plain.png")
    image("sequence", "//tex/plain.png", source="SEQUENCE")
    save(project / "main.blend")


def snapshot(project: Path) -> dict:
    """A copy that was saved elsewhere, its paths made relative to there."""
    png(project / "scenes" / "tex" / "plain.png")
    save(project / "scenes" / "main.blend")
    image("plain", "//tex/plain.png")
    copy = project.parent / "snapshot" / "main.blend"
    copy.parent.mkdir()
    save(project / "scenes" / "main.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(copy), copy=True, relative_remap=True)
    return {"blend": str(copy), "original": str(project / "scenes" / "main.blend"), "name": "scenes/main.blend"}


def put(path: Path, content: bytes = b"-") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def font(path: Path) -> None:
    """Copy one of Blender's own fonts: it reads what it is to use as a font."""
    fonts = Path(bpy.utils.resource_path("LOCAL"), "datafiles", "fonts")
    put(path, next(fonts.glob("*.woff2")).read_bytes())


def away(project: Path) -> Path:
    """Return a folder outside the project."""
    return project.parent / "elsewhere"


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


def packed(project: Path) -> None:
    """Datablocks that are packed and still a library's, from 5.0 on; the main file has a path of the same spelling."""
    outside = away(project)
    png(outside / "tex/wood.png")
    save(outside / "library.blend")
    made = thing("wooden thing")
    image("wood", "//tex/wood.png")
    made.data.materials.append(bpy.data.materials["material wood"])
    save(outside / "library.blend")
    empty()
    png(project / "tex/wood.png")
    png(project / "abs.png")
    save(project / "main.blend")
    image("own", "//tex/wood.png")
    image("absolute", str(project / "abs.png"))
    options = {"pack": True} if bpy.app.version >= (5, 0) else {}
    with bpy.data.libraries.load(str(outside / "library.blend"), link=True, relative=True, **options) as (_, wanted):
        wanted.materials = ["material wood"]
    thing("user").data.materials.append(wanted.materials[0])
    save(project / "main.blend")
    if options:
        assert wanted.materials[0].is_linked_packed
        (outside / "library.blend").unlink()


CASES = {
    case.__name__: case
    for case in (
        *(images, libraries, untouched, snapshot, datablocks, strips, modifiers, caches, nodes),
        *(simulations, foreign, stereo, bakes_of_a_snapshot, hostile, packed),
    )
}
