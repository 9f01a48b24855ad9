# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulations whose caches lie on disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bpy

from tests.tracing.whole_project.parts import plane, slope
from tests.tracing.whole_project.stage import Stage

SCENE = "Bakes"
FRAMES = (1, 2, 3)


# Point caches: `blendcache_NAME` beside the .blend, one file per frame


def _bake(stage: Stage, cache: Any, name: str, scene: str) -> None:
    """Bake a cache, on disk if it gets a name."""
    cache.frame_start, cache.frame_end = FRAMES[0], FRAMES[-1]
    if name:
        cache.name = name
        cache.use_disk_cache = True
    with stage.at_work_in(scene), bpy.context.temp_override(point_cache=cache):
        bpy.ops.ptcache.bake(bake=True)
    assert cache.is_baked


def _cache_files(folder: Path, name: str) -> list[tuple[int, Path]]:
    """The files of a point cache, with the frame of each."""
    return sorted((int(path.name.split("_")[-2]), path) for path in folder.glob(f"{name}_*.bphys"))


def _need_cache(stage: Stage, name: str, scene: str, *, hidden: dict[int, str]) -> None:
    files = _cache_files(_cache_folder(), name)
    assert {frame for frame, _ in files} >= set(FRAMES), files
    for frame, path in files:
        if frame in hidden:
            stage.need(path, hidden=hidden[frame])
        else:
            stage.need(path, scene=scene, frame=frame)


def _cache_folder() -> Path:
    blend = Path(bpy.data.filepath)
    return blend.parent / f"blendcache_{blend.stem}"


FIRST = {1: "the first frame is where the simulation starts from: its file is not read"}


def bake_cloth(stage: Stage, obj: Any, scene: str, name: str) -> list[Path]:
    """Make an object a cloth; return the files of its cache, frame by frame."""
    _bake(stage, obj.modifiers.new("Cloth", "CLOTH").point_cache, name, scene)
    return [path for _, path in _cache_files(_cache_folder(), name)]


def cloth(stage: Stage) -> None:
    """The disk cache of a cloth."""
    bake_cloth(stage, stage.show(plane("cloth", cuts=2), SCENE, slope("cloth")), SCENE, "cloth")
    _need_cache(stage, "cloth", SCENE, hidden=FIRST)


def soft_body(stage: Stage) -> None:
    """The disk cache of a soft body."""
    obj = stage.show(plane("soft", cuts=2), SCENE, slope("soft"))
    modifier = obj.modifiers.new("Softbody", "SOFT_BODY")
    obj.soft_body.use_goal = False
    _bake(stage, modifier.point_cache, "soft", SCENE)
    _need_cache(stage, "soft", SCENE, hidden=FIRST)


def _particles(stage: Stage, name: str) -> Any:
    """An object that sends out a few particles in the first frame."""
    dot = plane(f"{name} dot", size=0.15)
    dot.data.materials.append(slope(f"{name} dot"))
    obj = stage.show(plane(name, cuts=1, size=0.5), SCENE)
    dot.location = (0, 0, 50)  # behind the camera: only the particles are seen
    stage.scene(SCENE).collection.objects.link(dot)
    obj.modifiers.new("Particles", "PARTICLE_SYSTEM")
    system = obj.particle_systems[0]
    settings = system.settings
    settings.count, settings.lifetime = 5, 4
    settings.frame_start = settings.frame_end = 1
    settings.normal_factor, settings.factor_random, settings.brownian_factor = 0.1, 3.0, 200.0
    settings.render_type, settings.instance_object, settings.particle_size = "OBJECT", dot, 1.0
    obj.show_instancer_for_render = False
    return system


BIRTHS = {0: "when particles are born and die: without it that is reckoned anew, with the same result"}


def particles(stage: Stage) -> None:
    """The disk cache of particles."""
    system = _particles(stage, "sparks")
    _bake(stage, system.point_cache, "sparks", SCENE)
    _need_cache(stage, "sparks", SCENE, hidden=BIRTHS)


def external_particles(stage: Stage) -> None:
    """Particles from a folder of another file's cache, outside the project."""
    system = _particles(stage, "rain")
    cache = system.point_cache
    _bake(stage, cache, "rain", SCENE)
    folder = stage.away("particles of a friend/-").parent
    files = []
    for frame, path in _cache_files(_cache_folder(), "rain"):
        files.append((frame, Path(shutil.move(path, folder / path.name))))
    cache.use_external = True
    cache.filepath = stage.relative(folder)
    for frame, path in files:
        if frame in BIRTHS:
            stage.need(path, hidden=BIRTHS[frame])
        else:
            stage.need(path, scene=SCENE, frame=frame)


def rigid_body(stage: Stage) -> None:
    """The cache of rigid bodies, in the .blend.

    It cannot lie on disk: Blender's interface does not offer that, and Python that asks for it crashes Blender.
    """
    scene = stage.scene("Rigid Bodies")
    with stage.at_work_in(scene.name):
        bpy.ops.rigidbody.world_add()
        scene.rigidbody_world.collection = bpy.data.collections.new("Rigid Bodies")
        for number in range(2):
            obj = stage.show(plane(f"stone {number}", cuts=1), scene.name, slope(f"stone {number}"))
            with bpy.context.temp_override(object=obj, active_object=obj):
                bpy.ops.rigidbody.object_add()
            obj.rigid_body.collision_shape = "BOX"
    _bake(stage, scene.rigidbody_world.point_cache, "", scene.name)
    for frame in FRAMES:
        stage.watch(scene.name, frame)


def _box(name: str) -> Any:
    points = [(x * 0.2, y * 0.2, z * 0.2) for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]
    faces = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points, [], faces)
    return bpy.data.objects.new(name, mesh)


def dynamic_paint(stage: Stage) -> None:
    """The disk cache of waves, painted dynamically."""
    obj = stage.show(plane("pond", cuts=3), SCENE, slope("pond"))
    thrown = _box("thrown")
    thrown.location = obj.location
    thrown.hide_render = True
    stage.scene(SCENE).collection.objects.link(thrown)
    with stage.at_work_in(SCENE):
        for owner, kind in ((obj, "CANVAS"), (thrown, "BRUSH")):
            modifier = owner.modifiers.new("Dynamic Paint", "DYNAMIC_PAINT")
            modifier.ui_type = kind
            with bpy.context.temp_override(object=owner, active_object=owner):
                bpy.ops.dpaint.type_toggle(type=kind)
    surface = obj.modifiers[0].canvas_settings.canvas_surfaces[0]
    surface.surface_type = "WAVE"
    surface.frame_start, surface.frame_end = FRAMES[0], FRAMES[-1]
    _bake(stage, surface.point_cache, "pond", SCENE)
    _need_cache(stage, "pond", SCENE, hidden=FIRST)


def fluid(stage: Stage) -> None:
    """The cache of a fluid.

    The bpy module cannot simulate fluids, nor show them: Mantaflow's classes lack their bases in it ("'LevelsetGrid'
    object has no attribute 'setConst'"), and the process ends as soon as a domain is evaluated. So this one is in a
    scene that is never looked at, and its files are none that could be read.
    """
    scene = bpy.data.scenes.new("Fluid")
    domain = bpy.data.objects.new("domain", plane("tank").data)
    scene.collection.objects.link(domain)
    modifier = domain.modifiers.new("Fluid", "FLUID")
    modifier.fluid_type = "DOMAIN"
    folder = stage.place("fluids/tank/-").parent
    modifier.domain_settings.cache_directory = stage.relative(folder)
    for name in (
        "config/config_0001.uni",
        "data/fluid_data_0001.vdb",
        "data/fluid_data_0002.vdb",
        "mesh/fluid_mesh_0001.bobj.gz",
    ):
        path = stage.place(f"fluids/tank/{name}")
        path.write_text(name)
        stage.need(path, hidden="the bpy module does not show fluids")


ALL = (
    cloth,
    soft_body,
    particles,
    external_particles,
    rigid_body,
    dynamic_paint,
    fluid,
)
