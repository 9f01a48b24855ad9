# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that light and shade: the world's picture, pictures and profiles of lights, scripts of the shading language."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import bpy
from cycles import osl as cycles_osl

from tests.tracing.whole_project.parts import flat, glow, plane
from tests.tracing.whole_project.stage import CELLS, Stage

SCENE = "Light"
OSL = "OSL"
LENS = "Lens"


def world(stage: Stage) -> None:
    """A world's panorama."""
    path = stage.picture(stage.place("worlds/sky.hdr"), file_format="HDR", size=8)
    stage.scene(SCENE).world = panorama("sky", stage.relative(path))
    stage.need(path, scene=SCENE)


def panorama(name: str, stored: str) -> Any:
    """A world that shows a picture all around."""
    made = bpy.data.worlds.new(name)
    made.use_nodes = True
    made.cycles.sampling_method = "NONE"  # to look for the lights in it takes seconds
    tree = made.node_tree
    node = tree.nodes.new("ShaderNodeTexEnvironment")
    node.image = bpy.data.images.load(bpy.path.abspath(stored))
    node.image.filepath = stored
    tree.links.new(node.outputs["Color"], tree.nodes["Background"].inputs["Color"])
    return made


def _lit(stage: Stage, name: str) -> Any:
    """A white square with a light above; return the light's nodes."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    square = stage.show(plane(name), SCENE, material)
    light = bpy.data.lights.new(name, "POINT")
    light.energy = 100
    light.use_nodes = True
    lamp = bpy.data.objects.new(name, light)
    lamp.location = (square.location.x, square.location.y, 1)
    stage.scene(SCENE).collection.objects.link(lamp)
    return light.node_tree


def light_picture(stage: Stage) -> None:
    """A picture in the nodes of a light."""
    path = stage.picture(stage.place("lights/window.png"))
    tree = _lit(stage, "window")
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.load(str(path))
    node.image.filepath = stage.relative(path)
    tree.links.new(node.outputs["Color"], tree.nodes["Emission"].inputs["Color"])
    stage.need(path, scene=SCENE)


def light_profiles(stage: Stage) -> None:
    """IES profiles of lights: below the project, outside with an absolute path, and in a group of nodes."""
    inside, outside, grouped = stage.place("lights/a.ies"), stage.away("lights/b.ies"), stage.place("lights/c.ies")
    _profile(_lit(stage, "inside"), inside, stage.relative_for_cycles(inside))
    _profile(_lit(stage, "outside"), outside, str(outside))
    group = bpy.data.node_groups.new("profile", "ShaderNodeTree")
    group.interface.new_socket("Fac", in_out="OUTPUT", socket_type="NodeSocketFloat")
    node = _ies(group, grouped, stage.relative_for_cycles(grouped))
    group.links.new(node.outputs["Fac"], group.nodes.new("NodeGroupOutput").inputs[0])
    tree = _lit(stage, "grouped")
    holder = tree.nodes.new("ShaderNodeGroup")
    holder.node_tree = group
    tree.links.new(holder.outputs["Fac"], tree.nodes["Emission"].inputs["Strength"])
    stage.need(inside, outside, grouped, scene=SCENE)


def _profile(tree: Any, path: Path, stored: str) -> None:
    tree.links.new(_ies(tree, path, stored).outputs["Fac"], tree.nodes["Emission"].inputs["Strength"])


def _ies(tree: Any, path: Path, stored: str) -> Any:
    """A node with a profile that is made at `path`."""
    angles, candela = "0 45 90 180", f"1000 {100 * len(tree.nodes)} 900 100"
    path.write_text(f"IESNA:LM-63-2002\nTILT=NONE\n1 1000 1 4 1 1 1 0 0 0\n1 1 100\n{angles}\n0\n{candela}\n")
    node = tree.nodes.new("ShaderNodeTexIES")
    node.mode = "EXTERNAL"
    node.filepath = stored
    return node


def _compile(node: Any) -> None:
    """Compile the script of a node, and give the node the sockets of the script."""
    # Modules of Blender's own Python, which the bpy module brings and does not use.
    own = Path(bpy.utils.resource_path("LOCAL")) / "python" / "lib" / "python3.11" / "site-packages"
    if str(own) not in sys.path:
        sys.path.append(str(own))
    cycles_osl.update_script_node(node, print)


def osl(stage: Stage) -> None:
    """Scripts of the Open Shading Language: one that Cycles compiles by itself, one that is compiled already."""
    stage.scene(OSL).cycles.shading_system = True
    for name, value in (("stripes", 0.3), ("dots", 0.6)):
        path = stage.place(f"osl/{name}.osl")
        path.write_text(
            f"shader {name}(output color Out = 0) {{ Out = color({value}, mod(P[0], 1), mod(P[1], 1)); }}\n"
        )
        compiled = path.with_suffix(".oso")
        material, socket = glow(name)
        node = material.node_tree.nodes.new("ShaderNodeScript")
        node.mode = "EXTERNAL"
        node.filepath = str(path)
        _compile(node)
        material.node_tree.links.new(node.outputs["Out"], socket)
        stage.show(plane(name), OSL, material)
        assert compiled.is_file()
        if name == "dots":
            node.filepath = stage.relative_for_cycles(compiled)
            path.unlink()
            stage.need(compiled, scene=OSL)
        else:
            compiled.unlink()
            node.filepath = stage.relative_for_cycles(path)
            stage.need(path, scene=OSL)


def camera_script(stage: Stage) -> None:
    """A camera that is a script, from 5.0 on."""
    if bpy.app.version < (5, 0):
        return
    scene = stage.scene(LENS)
    scene.cycles.shading_system = True
    path = stage.place("osl/lens.osl")
    path.write_text(
        "shader lens(output point position = 0, output vector direction = vector(0, 0, 1), output color throughput = 1)"
        f" {{ position = {CELLS} * (camera_shader_raster_position() - point(0.5)); }}\n"
    )
    camera = scene.camera.data
    camera.type, camera.custom_mode = "CUSTOM", "EXTERNAL"
    with warnings.catch_warnings(action="ignore"):  # Python says that "//" is not supported: Cycles knows it
        camera.custom_filepath = stage.relative(path)
    stage.show(plane("seen"), LENS, flat("seen", stage.color()))
    stage.need(path, scene=LENS)


ALL = (world, light_picture, light_profiles, osl, camera_script)
