# SPDX-License-Identifier: GPL-3.0-or-later
"""What scenes are made of: squares, materials that shine by themselves, strips."""

from __future__ import annotations

from typing import Any

import bpy


def plane(name: str, *, size: float = 0.9, cuts: int = 0, uv: tuple[float, float] = (1, 1)) -> Any:
    """A square in the middle, of (cuts + 1)² faces, its UV map from (0, 0) to `uv`."""
    mesh = bpy.data.meshes.new(name)
    side = cuts + 2
    steps = [number / (side - 1) for number in range(side)]
    points = [((x - 0.5) * size, (y - 0.5) * size, 0) for y in steps for x in steps]
    faces = [
        (row * side + col, row * side + col + 1, (row + 1) * side + col + 1, (row + 1) * side + col)
        for row in range(side - 1)
        for col in range(side - 1)
    ]
    mesh.from_pydata(points, [], faces)
    layer = mesh.uv_layers.new(name="UVMap")
    for loop in mesh.loops:
        layer.data[loop.index].uv = (
            steps[loop.vertex_index % side] * uv[0],
            steps[loop.vertex_index // side] * uv[1],
        )
    mesh.update()
    return bpy.data.objects.new(name, mesh)


def glow(name: str) -> tuple[Any, Any]:
    """A material that shines by itself; return it and the socket of its colour."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    emission = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(emission.outputs[0], tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material, emission.inputs["Color"]


def flat(name: str, color: tuple[float, float, float, float]) -> Any:
    """A material of one colour."""
    material, socket = glow(name)
    socket.default_value = color
    return material


def slope(name: str, *, attribute: str = "") -> Any:
    """A material whose colour depends on the place in space and on the direction of the surface, and an attribute."""
    material, socket = glow(name)
    tree = material.node_tree
    geometry = tree.nodes.new("ShaderNodeNewGeometry")
    add = tree.nodes.new("ShaderNodeVectorMath")
    tree.links.new(geometry.outputs["Position"], add.inputs[0])
    tree.links.new(geometry.outputs["True Normal"], add.inputs[1])
    fraction = tree.nodes.new("ShaderNodeVectorMath")
    fraction.operation = "FRACTION"
    tree.links.new(add.outputs[0], fraction.inputs[0])
    tree.links.new(fraction.outputs[0], socket)
    if attribute:
        node = tree.nodes.new("ShaderNodeAttribute")
        node.attribute_name = attribute
        tree.links.new(node.outputs["Fac"], socket.node.inputs["Strength"])
    return material


def textured(name: str, image: Any, *, offset: int = 0) -> Any:
    """A material that shows an image; of a sequence or movie the frame that comes `offset` later."""
    material, socket = glow(name)
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    node.interpolation = "Closest"
    if image.source in ("SEQUENCE", "MOVIE"):
        node.image_user.frame_start = 1
        node.image_user.frame_duration = 3
        node.image_user.frame_offset = offset
    material.node_tree.links.new(node.outputs["Color"], socket)
    return material


def add_effect(scene: Any, *, name: str, kind: str, channel: int, start: int, length: int) -> Any:
    end = {"length": length} if bpy.app.version >= (5, 0) else {"frame_end": start + length}
    return strips(scene).new_effect(name=name, type=kind, channel=channel, frame_start=start, **end)


def strips(scene: Any) -> Any:
    """The strips of a scene's sequencer, whatever their name is in this version."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    return editor.strips if bpy.app.version >= (4, 4) else editor.sequences
