# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries: files that the .blend links things from, which link from others and have files of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy

from tests.tracing.whole_project import editing, geometry, nodes, shading, simulations, textures
from tests.tracing.whole_project.parts import glow, plane, slope, textured
from tests.tracing.whole_project.shading import panorama
from tests.tracing.whole_project.simulations import bake_cloth
from tests.tracing.whole_project.stage import Stage

SCENE = "Libraries"
LINKED_CLOTH = "Flag"


@contextmanager
def _library(path: Path) -> Iterator[None]:
    """Make a library; what is not used in it is kept."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    yield
    for kept in (
        *bpy.data.collections,
        *bpy.data.objects,
        *bpy.data.materials,
        *bpy.data.worlds,
        *bpy.data.node_groups,
    ):
        if not kept.library:
            kept.use_fake_user = True
    bpy.ops.wm.save_as_mainfile(filepath=str(path), relative_remap=False)


def _image(stage: Stage, path: Path, stored: str = "") -> Any:
    image = bpy.data.images.load(str(stage.picture(path)))
    image.filepath = stored or stage.relative(path)
    return image


def _painted(name: str, image: Any, place: tuple[float, float, float]) -> Any:
    obj = plane(name, size=0.4)
    obj.data.materials.append(textured(name, image))
    obj.location = place
    return obj


def _link(path: Path, kind: str, *names: str, stored: str) -> list[Any]:
    """Link things from a library whose path is noted as `stored`."""
    with bpy.data.libraries.load(str(path), link=True) as (_, into):
        setattr(into, kind, list(names))
    (library,) = (each for each in bpy.data.libraries if Path(bpy.path.abspath(each.filepath)) == path)
    library.filepath = stored
    assert library.filepath == stored
    return list(getattr(into, kind))


def nested(stage: Stage) -> None:
    """Libraries nested three deep, the last outside the project, each with pictures of its own."""
    third, second, first = stage.away("lib/third.blend"), stage.place("lib/deep/second.blend"), _first(stage)
    pictures = []
    with _library(third):
        beside, absolute = stage.away("lib/tex/third.png"), stage.away("shared/third.png")
        for number, image in enumerate((_image(stage, beside), _image(stage, absolute, str(absolute)))):
            _painted(f"Third {number}", image, (0.5 * number, 0.5, 0))
        pictures += [beside, absolute]
    with _library(second):
        collection = bpy.data.collections.new("Second")
        for obj in _link(third, "objects", "Third 0", "Third 1", stored=str(third)):
            collection.objects.link(obj)
        path = stage.place("lib/deep/second.png")
        collection.objects.link(_painted("Second", _image(stage, path), (0, 0, 0)))
        pictures.append(path)
    with _library(first):
        collection = bpy.data.collections.new("First")
        collection.children.link(*_link(second, "collections", "Second", stored=stage.relative(second)))
        path, outside = stage.place("lib/tex/first.png"), stage.away("shared/first.png")
        collection.objects.link(_painted("First", _image(stage, path), (0.5, 0, 0)))
        collection.objects.link(_painted("First outside", _image(stage, outside), (1, 0, 0)))
        pictures += [path, outside]
    stage.need(third, second, first, *pictures, scene=SCENE)


def _first(stage: Stage) -> Path:
    return stage.place("lib/props ä.blend")


def kit(stage: Stage) -> None:
    """A library of a world, a material and a group of nodes, outside the project."""
    path = stage.away("lib/kit.blend")
    with _library(path):
        sky = stage.picture(stage.away("lib/sky.hdr"), file_format="HDR", size=8)
        panorama("Kit Sky", stage.relative(sky))
        rust, bark = stage.away("lib/tex/rust.png"), stage.away("lib/tex/bark.png")
        textured("Kit Rust", _image(stage, rust))
        group = bpy.data.node_groups.new("Kit Bark", "ShaderNodeTree")
        group.interface.new_socket("Color", in_out="OUTPUT", socket_type="NodeSocketColor")
        node = group.nodes.new("ShaderNodeTexImage")
        node.image = _image(stage, bark)
        group.links.new(node.outputs["Color"], group.nodes.new("NodeGroupOutput").inputs[0])
    stage.need(path, sky, rust, bark, scene=SCENE)


def with_cache(stage: Stage) -> None:
    """A library with a cloth, whose disk cache lies beside the library."""
    path = stage.place("lib/flag.blend")
    with _library(path):
        obj = plane(LINKED_CLOTH, cuts=2)
        obj.data.materials.append(slope("flag"))
        stage.scene("flags").collection.objects.link(obj)
        caches = bake_cloth(stage, obj, "flags", "flag")
        bpy.data.scenes.remove(bpy.data.scenes["flags"])
    stage.need(path, scene=SCENE)
    stage.need(caches[0], hidden="the first frame is where the simulation starts from")
    for frame, cache in enumerate(caches[1:], 2):
        stage.need(cache, scene=SCENE, frame=frame)


STUDIO = "studio"
_IN_STUDIO = (
    textures.sequence,
    textures.tiles,
    geometry.alembic,
    geometry.mesh_caches,
    geometry.volumes,
    geometry.ocean,
    geometry.text,
    simulations.particles,
    simulations.external_particles,
    nodes.baked_node,
    nodes.baked_simulation,
    nodes.imports,
    shading.light_picture,
    shading.light_profiles,
    shading.osl,
    shading.camera_script,
    editing.compositor,
    editing.image_strips,
    editing.movie_strip,
)


def studio(stage: Stage) -> None:
    """A library with scenes, which have files of most kinds."""
    path = stage.place("studio/scenes/new/studio.blend")
    kind = stage.kind
    with stage.within(STUDIO), _library(path):
        for each in _IN_STUDIO:
            stage.run(each, of="library: ")
        for name in (f"{STUDIO} workshop", "Scene"):
            bpy.data.scenes.remove(bpy.data.scenes[name])
    stage.kind = kind
    stage.need(path, scene=f"{STUDIO} {textures.SCENE}")


def link_all(stage: Stage) -> None:
    """What the .blend uses of the libraries."""
    first, second_kit, flag = _first(stage), stage.away("lib/kit.blend"), stage.place("lib/flag.blend")
    empty = bpy.data.objects.new("props", None)
    empty.instance_type = "COLLECTION"
    (empty.instance_collection,) = _link(first, "collections", "First", stored=stage.relative(first))
    stage.show(empty, SCENE)
    stage.cell(SCENE)  # the props are broader than one

    stored = str(second_kit)
    (stage.scene(SCENE).world,) = _link(second_kit, "worlds", "Kit Sky", stored=stored)
    (rust,) = _link(second_kit, "materials", "Kit Rust", stored=stored)
    stage.show(plane("rust"), SCENE, rust)
    (group,) = _link(second_kit, "node_groups", "Kit Bark", stored=stored)
    material, socket = glow("bark")
    node = material.node_tree.nodes.new("ShaderNodeGroup")
    node.node_tree = group
    material.node_tree.links.new(node.outputs["Color"], socket)
    stage.show(plane("bark"), SCENE, material)

    path = stage.place("studio/scenes/new/studio.blend")
    _link(path, "scenes", *stage.scenes_within(STUDIO), stored=stage.relative(path))

    (obj,) = _link(flag, "objects", LINKED_CLOTH, stored=stage.relative(flag))
    stage.scene(SCENE).collection.objects.link(obj)


LIBRARIES = (nested, kit, with_cache, studio)
ALL = (link_all,)
