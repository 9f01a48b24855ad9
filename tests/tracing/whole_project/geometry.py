# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes that come from files: caches of other programs, volumes, baked oceans, details of sculptures."""

from __future__ import annotations

import ctypes
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import bpy

from tests.tracing.whole_project.nodes import bake_node, node_group
from tests.tracing.whole_project.parts import flat, plane, slope
from tests.tracing.whole_project.stage import Stage

SCENE = "Geometry"
VOLUMES = "Volumes"
FRAMES = (1, 2, 3)


def _exported(stage: Stage, path: Path, *, frames: tuple[int, int] = (1, 3), name: str = "Bending") -> Path:
    """Write a plane that bends from frame to frame as Alembic or USD."""
    obj = plane(name, cuts=1)
    obj.shape_key_add(name="Basis")
    bent = obj.shape_key_add(name="Bent")
    for point in bent.data:
        point.co.x *= 0.2
        point.co.z += point.co.y
    for frame, value in ((1, 0.2), (3, 1.0)):
        bent.value = value
        bent.keyframe_insert("value", frame=frame)
    with stage.at_work_in("workshop") as scene:
        scene.collection.objects.link(obj)
        scene.frame_start, scene.frame_end = frames
        bpy.context.view_layer.objects.active = obj
        obj.select_set(True)
        if path.suffix == ".abc":
            start, end = frames
            bpy.ops.wm.alembic_export(filepath=str(path), selected=True, start=start, end=end)
        else:
            bpy.ops.wm.usd_export(
                filepath=str(path), selected_objects_only=True, export_animation=True, export_shapekeys=False
            )
    bpy.data.meshes.remove(obj.data)  # and the object with it: the next one gets the same names
    return path


def _cached(stage: Stage, path: Path, object_path: str, name: str) -> Any:
    """Show the mesh that a cache file gives; return the cache file's datablock."""
    before = set(bpy.data.cache_files)
    bpy.ops.cachefile.open(filepath=str(path))
    (cache,) = set(bpy.data.cache_files) - before
    cache.filepath = stage.relative(path)
    obj = stage.show(plane(name, cuts=1), SCENE, slope(name))
    modifier = obj.modifiers.new("Cache", "MESH_SEQUENCE_CACHE")
    modifier.cache_file = cache
    modifier.object_path = object_path
    return cache


def alembic(stage: Stage) -> None:
    """An Alembic cache, and a sequence of them outside the project."""
    path = _exported(stage, stage.place("caches/bending.abc"))
    _cached(stage, path, "/Bending/Bending", "alembic")
    stage.need(path, scene=SCENE)
    paths = [_exported(stage, stage.away(f"caches/flag_{frame:04}.abc"), frames=(frame, frame)) for frame in FRAMES]
    cache = _cached(stage, paths[0], "/Bending/Bending", "alembic sequence")
    cache.is_sequence = True
    for frame, path in zip(FRAMES, paths, strict=True):
        stage.need(path, scene=SCENE, frame=frame)


def alembic_layer(stage: Stage) -> None:
    """An Alembic cache with a layer that adds to it."""
    path = _exported(stage, stage.place("caches/layered.abc"))
    layer = _exported(stage, stage.place("caches/layers/more.abc"), name="More")
    _cached(stage, path, "/Bending/Bending", "alembic base").layers.new(stage.relative(layer))
    _cached(stage, path, "/More/More", "alembic layer").layers.new(stage.relative(layer))
    stage.need(path, layer, scene=SCENE)


def usd(stage: Stage) -> None:
    """A USD cache."""
    path = _exported(stage, stage.place("caches/bending.usdc"))
    _cached(stage, path, "/root/Bending/Bending", "usd")
    stage.need(path, scene=SCENE)


def _moved(frame: int) -> list[tuple[float, float, float]]:
    return [(x * 0.1 * frame, y * 0.4, 0.2 * frame) for y in (-1, 1) for x in (-1, 1)]


def mesh_caches(stage: Stage) -> None:
    """Positions of points as .pc2 and as .mdd."""
    flat_list = [number for frame in FRAMES for point in _moved(frame) for number in point]
    pc2 = stage.place("caches/points.pc2")
    pc2.write_bytes(
        struct.pack("<12siiffi", b"POINTCACHE2\0", 1, 4, 1.0, 1.0, len(FRAMES))
        + struct.pack(f"<{len(flat_list)}f", *flat_list)
    )
    mdd = stage.place("caches/points.mdd")
    mdd.write_bytes(
        struct.pack(">ii", len(FRAMES), 4)
        + struct.pack(f">{len(FRAMES)}f", *(frame / 24 for frame in FRAMES))
        + struct.pack(f">{len(flat_list)}f", *flat_list)
    )
    for path in (pc2, mdd):
        obj = stage.show(plane(path.name), SCENE, slope(path.name))
        modifier = obj.modifiers.new("Cache", "MESH_CACHE")
        modifier.cache_format = path.suffix[1:].upper()
        modifier.filepath = stage.relative(path)
        modifier.frame_start = 1
        stage.need(path, scene=SCENE)


def volumes(stage: Stage) -> None:
    """An OpenVDB file outside the project, and a sequence of them."""
    for number in (1, 2, 3, 4):
        _write_vdb(
            stage, stage.place(f"volumes/cloud_{number:04}.vdb") if number < 4 else stage.away("fog.vdb"), number
        )
    single = stage.away("fog.vdb")
    _volume(stage, single)
    stage.need(single, scene=VOLUMES)
    data = _volume(stage, stage.place("volumes/cloud_0001.vdb"))
    data.is_sequence = True
    data.frame_start, data.frame_duration, data.frame_offset = 1, 3, 0
    for frame in FRAMES:
        stage.need(stage.place(f"volumes/cloud_{frame:04}.vdb"), scene=VOLUMES, frame=frame)


def _volume(stage: Stage, path: Path) -> Any:
    data = bpy.data.volumes.new(path.stem)
    data.filepath = stage.relative(path)
    material = bpy.data.materials.new(path.stem)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    shader = tree.nodes.new("ShaderNodeVolumePrincipled")
    shader.inputs["Emission Strength"].default_value = 1.0
    shader.inputs["Emission Color"].default_value = stage.color()
    tree.links.new(shader.outputs[0], tree.nodes.new("ShaderNodeOutputMaterial").inputs["Volume"])
    if bpy.app.version >= (5, 0):
        stage.scene(VOLUMES).cycles.volume_biased = True  # the other way takes minutes for every picture
    stage.show(bpy.data.objects.new(path.stem, data), VOLUMES, material).scale = (0.4, 0.4, 0.4)
    return data


def _write_vdb(stage: Stage, path: Path, density: float) -> None:
    """Bake a cube of fog: not every version has Python's openvdb, but every one bakes volumes as .vdb."""
    group = node_group("Fog")
    cube = group.nodes.new("GeometryNodeVolumeCube")
    cube.inputs["Density"].default_value = density
    cube.inputs["Min"].default_value = (-0.4, -0.4, -0.4)
    cube.inputs["Max"].default_value = (0.4, 0.4, 0.4)
    for axis in "XYZ":
        cube.inputs[f"Resolution {axis}"].default_value = 4
    folder = stage.root / "workshop"
    with stage.at_work_in("workshop") as scene:
        obj = bpy.data.objects.new("Fog", bpy.data.meshes.new("Fog"))
        scene.collection.objects.link(obj)
        bake_node(obj, group, cube.outputs[0], directory=str(folder))
    (vdb,) = folder.rglob("*.vdb")
    shutil.copyfile(vdb, path)
    shutil.rmtree(folder)
    bpy.data.objects.remove(obj)


def displacement(stage: Stage) -> None:
    """An image that moves points, through a texture of the old kind."""
    path = stage.picture(stage.place("tex/height.png"))
    texture = bpy.data.textures.new("height", "IMAGE")
    texture.image = bpy.data.images.load(str(path))
    texture.image.filepath = stage.relative(path)
    obj = stage.show(plane("displaced", size=0.4), SCENE, slope("displaced"))
    modifier = obj.modifiers.new("Displace", "DISPLACE")
    modifier.texture, modifier.direction, modifier.strength, modifier.mid_level = texture, "X", 0.6, 0.2
    stage.need(path, scene=SCENE)


def ocean(stage: Stage) -> None:
    """A baked ocean with foam."""
    folder = stage.place("ocean/-").parent
    obj = stage.show(plane("ocean"), SCENE, slope("ocean", attribute="foam"))
    modifier = obj.modifiers.new("Ocean", "OCEAN")
    modifier.geometry_mode = "DISPLACE"
    modifier.resolution = modifier.viewport_resolution = 4
    modifier.wave_scale = 3
    modifier.frame_start, modifier.frame_end = FRAMES[0], FRAMES[-1]
    modifier.filepath = stage.relative(folder) + "/"
    for frame in FRAMES:
        modifier.time = frame
        modifier.keyframe_insert("time", frame=frame)
    modifier.use_foam, modifier.foam_layer_name = True, "foam"
    with stage.at_work_in(SCENE), bpy.context.temp_override(object=obj, active_object=obj):
        bpy.ops.object.ocean_bake(modifier="Ocean")
    files = [folder / f"{kind}_{frame:04}.exr" for kind in ("disp", "foam") for frame in FRAMES]
    deadline = time.monotonic() + 30
    while not all(file.is_file() and file.stat().st_size > 300 for file in files):
        assert time.monotonic() < deadline, list(folder.iterdir())
        time.sleep(0.05)
    _set_cached(modifier)
    for frame in FRAMES:
        stage.need(folder / f"disp_{frame:04}.exr", scene=SCENE, frame=frame)
        stage.need(folder / f"foam_{frame:04}.exr", scene=SCENE, frame=frame)


def _set_cached(modifier: Any) -> None:
    """Note that the ocean is baked, which the bake's end does where Blender has a window and so an event loop.

    Python may only read that: it is the byte behind the path (1024 bytes) and the names of two layers (68 each).
    """
    address = modifier.as_pointer()
    place = ctypes.string_at(address, 4096).index(modifier.filepath.encode() + b"\0") + 1024 + 2 * 68
    ctypes.c_byte.from_address(address + place).value = 1
    assert modifier.is_cached


def multires(stage: Stage) -> None:
    """Details of a sculpture in a file of their own."""
    path = stage.place("sculpt/detail.btx")
    obj = stage.show(plane("sculpture"), SCENE, slope("sculpture"))
    target = plane("target", cuts=1)
    for number, vertex in enumerate(target.data.vertices):
        vertex.co.x *= 0.5
        vertex.co.z = number * 0.05
    obj.modifiers.new("Multires", "MULTIRES")
    with stage.at_work_in(SCENE) as scene:
        scene.collection.objects.link(target)
        bpy.context.view_layer.update()
        with bpy.context.temp_override(object=obj, active_object=obj, selected_editable_objects=[target]):
            bpy.ops.object.multires_subdivide(modifier="Multires")
            bpy.ops.object.multires_reshape(modifier="Multires")
            bpy.ops.object.multires_external_save(filepath=str(path), modifier="Multires")
    bpy.data.objects.remove(target)
    stage.need(path, scene=SCENE)


def text(stage: Stage) -> None:
    """Fonts of a text: regular, bold and italic."""
    fonts = Path(bpy.utils.system_resource("DATAFILES", path="fonts"))
    source = min(fonts.glob("DejaVuSansMono.*"))
    for number, style in enumerate(("font", "font_bold", "font_italic")):
        path = shutil.copyfile(source, stage.place(f"fonts/{style}{source.suffix}"))
        curve = bpy.data.curves.new(style, "FONT")
        curve.body = "HX"
        curve.size = 0.7
        font = bpy.data.fonts.load(str(path), check_existing=False)
        font.filepath = stage.relative(path)
        setattr(curve, style, font)
        for letter in curve.body_format:
            letter.use_bold, letter.use_italic = number == 1, number == 2
        stage.show(bpy.data.objects.new(style, curve), SCENE, flat(style, stage.color()))
        stage.need(path, scene=SCENE)


ALL = (alembic, alembic_layer, usd, mesh_caches, volumes, displacement, ocean, multires, text)
