# SPDX-License-Identifier: GPL-3.0-or-later
"""Small add-ons as users have them, each written into a Blender's user folder: what each does to a picture is real."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

NODE = """
import bpy

class Glow(bpy.types.ShaderNodeCustomGroup):
    bl_idname = "{id}_glow"
    bl_label = "{id} Glow"

    def init(self, context):
        tree = bpy.data.node_groups.new(".{id}", "ShaderNodeTree")
        tree.interface.new_socket("Shader", in_out="OUTPUT", socket_type="NodeSocketShader")
        light = tree.nodes.new("ShaderNodeEmission")
        light.inputs[0].default_value = (0.9, 0.2, 0.1, 1)
        tree.links.new(light.outputs[0], tree.nodes.new("NodeGroupOutput").inputs[0])
        self.node_tree = tree

def register():
    bpy.utils.register_class(Glow)

def unregister():
    bpy.utils.unregister_class(Glow)
"""

# Its node is made and works; only where the agent runs it does not start.
BROKEN = (
    NODE
    + """
import os
if "CLOUDRENDER_COMMANDS_FD" in os.environ:
    def register():
        raise RuntimeError("no license for this computer.")
"""
)

HANDLER = """
import bpy
from .groups import Lift

class Preferences(bpy.types.AddonPreferences):
    bl_idname = __package__
    factor: bpy.props.FloatProperty(default=0.75)

@bpy.app.handlers.persistent
def lift(scene, *_):
    factor = bpy.context.preferences.addons[__package__].preferences.factor
    scene.objects["Cube"].location.z = scene.lift.height * factor

def register():
    bpy.utils.register_class(Preferences)
    bpy.utils.register_class(Lift)
    bpy.types.Scene.lift = bpy.props.PointerProperty(type=Lift)
    bpy.app.handlers.frame_change_pre.append(lift)

def unregister():
    bpy.app.handlers.frame_change_pre.remove(lift)
    del bpy.types.Scene.lift
    bpy.utils.unregister_class(Lift)
    bpy.utils.unregister_class(Preferences)
"""
GROUPS = """
import bpy

class Lift(bpy.types.PropertyGroup):
    height: bpy.props.FloatProperty()
    names: bpy.props.CollectionProperty(type=bpy.types.PropertyGroup)
"""

DRIVER = """
import bpy
from colours import RED

def wobble(frame):
    return RED * frame

@bpy.app.handlers.persistent
def again(*_):
    bpy.app.driver_namespace["wobble"] = wobble

def register():
    again()
    bpy.app.handlers.load_post.append(again)

def unregister():
    bpy.app.handlers.load_post.remove(again)
    bpy.app.driver_namespace.pop("wobble", None)
"""

PLAIN_PROPERTY = """
import bpy

def register():
    setattr(bpy.types.Object, "tilt", bpy.props.FloatProperty())

def unregister():
    del bpy.types.Object.tilt
"""

PANEL = """
import bpy

class IDLE_PT_panel(bpy.types.Panel):
    bl_label, bl_space_type, bl_region_type = "Idle", "VIEW_3D", "UI"

    def draw(self, context):
        pass

def register():
    bpy.utils.register_class(IDLE_PT_panel)
    bpy.types.Scene.idle = bpy.props.FloatProperty()

def unregister():
    bpy.utils.unregister_class(IDLE_PT_panel)
    del bpy.types.Scene.idle
"""

ENGINE = """
import bpy

class Flat(bpy.types.RenderEngine):
    bl_idname = "FLAT"
    bl_label = "Flat"

    def render(self, depsgraph):
        scale = depsgraph.scene.render
        result = self.begin_result(0, 0, scale.resolution_x, scale.resolution_y)
        result.layers[0].passes["Combined"].rect = [[0.1, 0.8, 0.3, 1.0]] * (scale.resolution_x * scale.resolution_y)
        self.end_result(result)

def register():
    bpy.utils.register_class(Flat)

def unregister():
    bpy.utils.unregister_class(Flat)
"""

LEGACY = NODE + 'bl_info = {{"name": "Old Style", "blender": (4, 2, 0), "version": (2, 5), "category": "Node"}}\n'


def module_of(name: str) -> str:
    return f"bl_ext.user_default.{name}"


def extension(home: Path, name: str, source: str, *, wheels: tuple[str, ...] = ()) -> Path:
    """Put an extension into the repository of the user's own; return its folder."""
    folder = home / "blender" / "extensions" / "user_default" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(source.replace("{id}", name) if source is not LEGACY else source)
    (folder / "blender_manifest.toml").write_text(
        f'schema_version = "1.0.0"\nid = "{name}"\nname = "{name.title()}"\nversion = "1.2.3"\ntype = "add-on"\n'
        f'tagline = "For tests"\nmaintainer = "Nobody"\nlicense = ["SPDX:GPL-3.0-or-later"]\n'
        f'blender_version_min = "4.2.0"\nwheels = {[f"./wheels/{wheel}" for wheel in wheels]}\n'
    )
    return folder


def make_all(home: Path) -> None:
    """Write every one of them."""
    extension(home, "bricks", NODE)
    extension(home, "broken", BROKEN)
    (extension(home, "lifter", HANDLER) / "groups.py").write_text(GROUPS)
    extension(home, "idle", PANEL)
    extension(home, "tilter", PLAIN_PROPERTY)
    extension(home, "flat", ENGINE)
    (extension(home, "fast", NODE) / "speed.cpython-311-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")
    os.truncate(_empty(extension(home, "huge", NODE) / "library.blend"), 60_000_000)
    cached = extension(home, "cached", NODE)
    for name in ("__pycache__", ".git", "presets"):
        (cached / name).mkdir()
        (cached / name / "some.py").write_text("")
    wheel = "colours-1.0-py3-none-any.whl"
    wobbly = extension(home, "wobbly", DRIVER, wheels=(wheel,))
    (wobbly / "wheels").mkdir()
    with zipfile.ZipFile(wobbly / "wheels" / wheel, "w") as archive:
        archive.writestr("colours.py", "RED = 0.25\n")
        archive.writestr("colours-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: colours\nVersion: 1.0\n")
        archive.writestr(
            "colours-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("colours-1.0.dist-info/RECORD", "colours.py,,\n")
    legacy = home / "blender" / "scripts" / "addons"
    legacy.mkdir(parents=True)
    (legacy / "oldstyle.py").write_text(LEGACY.format(id="oldstyle"))
    (legacy / "oldfolder").mkdir()
    (legacy / "oldfolder" / "__init__.py").write_text(LEGACY.format(id="oldfolder"))


def _empty(path: Path) -> Path:
    path.touch()
    return path
