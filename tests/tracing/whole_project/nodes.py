# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of geometry nodes: what was baked, and what is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from tests.tracing.whole_project.parts import flat, plane, slope
from tests.tracing.whole_project.stage import Stage

SCENE = "Nodes"
FRAMES = (1, 2, 3)


def node_group(name: str) -> Any:
    """A group of geometry nodes that takes and gives a geometry."""
    group = bpy.data.node_groups.new(name, "GeometryNodeTree")
    for direction in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    return group


def bake_node(obj: Any, group: Any, source: Any, *, directory: str) -> None:
    """Let a modifier of `obj` give what `source` is, and bake it into `directory`."""
    bake = group.nodes.new("GeometryNodeBake")
    if not bake.bake_items:  # from 5.0 on there is none at first
        bake.bake_items.new("GEOMETRY", "Geometry")
    group.links.new(source, bake.inputs[0])
    group.links.new(bake.outputs[0], group.nodes.new("NodeGroupOutput").inputs[0])
    bake_nodes(obj, group, directory=directory)


def bake_nodes(obj: Any, group: Any, *, directory: str) -> None:
    """Bake what can be baked in a modifier of `obj`, whose scene is the window's."""
    modifier = obj.modifiers.new("Nodes", "NODES")
    modifier.node_group = group
    if bpy.app.version >= (4, 3):
        modifier.bake_target = "DISK"
    modifier.bake_directory = directory
    bpy.context.view_layer.update()
    assert len(modifier.bakes)
    for bake in modifier.bakes:
        bake.use_custom_simulation_frame_range = True
        bake.frame_start, bake.frame_end = FRAMES[0], FRAMES[-1]
        with bpy.context.temp_override(object=obj, active_object=obj):
            bpy.ops.object.geometry_node_bake_single(
                session_uid=obj.session_uid, modifier_name=modifier.name, bake_id=bake.bake_id
            )


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files, folder
    return files


def baked_node(stage: Stage) -> None:
    """A bake node of geometry nodes, one state of it."""
    folder = stage.place("bakes/still/-").parent
    group = node_group("Still")
    line = group.nodes.new("GeometryNodeMeshLine")
    line.inputs["Count"].default_value = 5
    line.inputs["Offset"].default_value = (0.1, 0.1, 0)
    obj = stage.show(plane("still"), SCENE)
    shown = group.nodes.new("GeometryNodeInstanceOnPoints")
    group.links.new(line.outputs[0], shown.inputs["Points"])
    group.links.new(_painted(group, "still"), shown.inputs["Instance"])
    realized = group.nodes.new("GeometryNodeRealizeInstances")
    group.links.new(shown.outputs[0], realized.inputs[0])
    with stage.at_work_in(SCENE):
        bake_node(obj, group, realized.outputs[0], directory=stage.relative(folder))
    line.inputs["Count"].default_value = 2  # what is seen if the bake is not there
    stage.need(*_files(folder), scene=SCENE)


def _painted(group: Any, name: str) -> Any:
    """A small square with a material, made by nodes."""
    grid = group.nodes.new("GeometryNodeMeshGrid")
    for side in ("Size X", "Size Y"):
        grid.inputs[side].default_value = 0.2
    paint = group.nodes.new("GeometryNodeSetMaterial")
    paint.inputs["Material"].default_value = flat(name, (0.2, 0.9, 0.4, 1))
    group.links.new(grid.outputs["Mesh"], paint.inputs["Geometry"])
    return paint.outputs[0]


def baked_simulation(stage: Stage) -> None:
    """A simulation of geometry nodes, whose folder is noted with its absolute path."""
    folder = stage.place("bakes/moving/-").parent
    group = node_group("Moving")
    start, end = group.nodes.new("GeometryNodeSimulationInput"), group.nodes.new("GeometryNodeSimulationOutput")
    start.pair_with_output(end)
    if not end.state_items:
        end.state_items.new("GEOMETRY", "Geometry")
    move = group.nodes.new("GeometryNodeTransform")
    move.inputs["Scale"].default_value = (0.7, 0.9, 1)
    group.links.new(group.nodes.new("NodeGroupInput").outputs[0], start.inputs["Geometry"])
    group.links.new(start.outputs["Geometry"], move.inputs[0])
    group.links.new(move.outputs[0], end.inputs["Geometry"])
    group.links.new(end.outputs["Geometry"], group.nodes.new("NodeGroupOutput").inputs[0])
    obj = stage.show(plane("moving"), SCENE, slope("moving"))
    with stage.at_work_in(SCENE):
        bake_nodes(obj, group, directory=str(folder))
    for path in _files(folder):
        stage.need(path, scene=SCENE, frame=int(path.name.split("_")[0]))


def imports(stage: Stage) -> None:
    """Files that nodes import, from 4.5 on: named in the node, and in the input of the modifier."""
    if bpy.app.version < (4, 5):
        return
    for name in ("inside", "modifier"):
        path = stage.place("imported/inside.stl") if name == "inside" else stage.away("imported/chosen.stl")
        path.write_text(_STL.format(0.2 if name == "inside" else 0.4))
        group = node_group(name)
        node = group.nodes.new("GeometryNodeImportSTL")
        paint = group.nodes.new("GeometryNodeSetMaterial")
        paint.inputs["Material"].default_value = flat(name, stage.color())
        group.links.new(node.outputs[0], paint.inputs["Geometry"])
        group.links.new(paint.outputs[0], group.nodes.new("NodeGroupOutput").inputs[0])
        obj = stage.show(plane(name), SCENE)
        modifier = obj.modifiers.new("Nodes", "NODES")
        if name == "inside":
            node.inputs["Path"].default_value = stage.relative(path)
        else:
            socket = group.interface.new_socket("File", in_out="INPUT", socket_type="NodeSocketString")
            socket.subtype = "FILE_PATH"
            group.links.new(group.nodes.new("NodeGroupInput").outputs["File"], node.inputs["Path"])
        modifier.node_group = group
        if name == "modifier":
            modifier[socket.identifier] = stage.relative(path)
        stage.need(path, scene=SCENE)


_STL = """solid square
facet normal 0 0 1
outer loop
vertex 0 0 0
vertex {0} 0 0
vertex 0 {0} 0
endloop
endfacet
endsolid square
"""


ALL = (baked_node, baked_simulation, imports)
