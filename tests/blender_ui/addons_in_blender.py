# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: which of the enabled add-ons the open file needs, and which of them can go along."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
import addon_utils
from cases import run
from enabled import enable, part
from sample_addons import module_of

enable()
addons, preflight = part("ui.addons"), part("ui.preflight")


@contextlib.contextmanager
def enabled(*modules: str) -> Iterator[None]:
    for module in modules:
        assert addon_utils.enable(module, default_set=True), module
    try:
        yield
    finally:
        bpy.ops.wm.read_homefile(use_factory_startup=True)  # 4.2 crashes on nodes that have lost their class
        for module in modules:
            addon_utils.disable(module, default_set=True)


def needs() -> dict[str, Any]:
    return {need.module: need for need in addons.needed_addons(bpy.context.scene)}


def glow(name: str) -> Any:
    """Give the cube a material with the node of one of the add-ons."""
    material = bpy.data.materials.new("Wall")
    if material.node_tree is None:  # before 5.0
        material.use_nodes = True
    bpy.data.objects["Cube"].data.materials.append(material)
    return material.node_tree.nodes.new(f"{name}_glow")


def warnings(folder: Path) -> list[Any]:
    """Return what the preflight warns of, in a file that has nothing else wrong with it."""
    bpy.context.scene.render.engine = "CYCLES"
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    return list(preflight.find_problems(bpy.context, animation=True))


def case_nothing_is_needed_of_what_is_only_enabled(folder: Path) -> None:
    with enabled(*map(module_of, ("bricks", "idle", "wobbly", "tilter", "lifter", "flat", "fast")), "rigify"):
        bpy.context.scene.idle = 2.0
        bpy.context.scene.lift.height  # noqa: B018 - a look makes an empty group
        assert needs() == {}
        assert warnings(folder) == []


def case_a_node(folder: Path) -> None:
    module = module_of("bricks")
    with enabled(module, module_of("idle")):
        glow("bricks")
        assert needs().keys() == {module}
        need = needs()[module]
        assert need.nodes == ("bricks_glow",)
        assert need.purpose == "the node bricks Glow in material Wall", need.purpose
        found = need.installed
        assert (found.name, found.version, found.obstacle) == ("Bricks", "1.2.3", ""), found
        assert set(found.files) == {"__init__.py", "blender_manifest.toml"}
        assert warnings(folder) == []
        bpy.data.materials.remove(bpy.data.materials["Wall"])
        assert needs() == {}


def case_a_node_in_a_group_and_in_the_compositor(folder: Path) -> None:
    module = module_of("bricks")
    with enabled(module):
        group = bpy.data.node_groups.new("Inner", "ShaderNodeTree")
        group.nodes.new("bricks_glow")
        assert needs() == {}, "nothing uses the group"
        material = bpy.data.materials.new("Wall")
        if material.node_tree is None:
            material.use_nodes = True
        material.node_tree.nodes.new("ShaderNodeGroup").node_tree = group
        assert needs()[module].purpose.endswith("Inner")


def case_handlers_with_data_of_their_own(folder: Path) -> None:
    module = module_of("lifter")
    with enabled(module):
        assert needs() == {}
        bpy.context.scene.lift.height = 0.5
        assert needs()[module].purpose == "what it does at each frame (frame_change_pre)"
        assert set(needs()[module].installed.files) == {"__init__.py", "groups.py", "blender_manifest.toml"}
        bpy.context.scene.lift.property_unset("height")
        assert needs() == {}
        bpy.context.scene.lift.names.add()
        assert needs().keys() == {module}


def case_a_function_in_a_driver(folder: Path) -> None:
    module = module_of("wobbly")
    with enabled(module):
        driver = bpy.data.objects["Cube"].driver_add("location", 2).driver
        driver.expression = "wobbles(frame)"
        assert needs() == {}
        driver.expression = "1 + wobble(frame)"
        assert needs()[module].purpose == "wobble() in a driver of object Cube"
        assert "wheels/colours-1.0-py3-none-any.whl" in needs()[module].installed.files


def case_a_property_that_a_driver_reads(folder: Path) -> None:
    module = module_of("tilter")
    with enabled(module, module_of("idle")):
        bpy.data.objects["Cube"].tilt = 1
        assert needs() == {}, "nothing reads it"
        driver = bpy.data.objects["Cube"].driver_add("location", 2).driver
        target = driver.variables.new().targets[0]
        target.id, target.data_path = bpy.data.objects["Cube"], '["tilt"]'
        assert needs() == {}, "a custom property of the same name"
        target.data_path = "tilt"
        assert needs()[module].purpose == "the property tilt in a driver of object Cube"


def case_a_render_engine(folder: Path) -> None:
    module = module_of("flat")
    with enabled(module):
        bpy.context.scene.render.engine = "FLAT"
        assert needs()[module].purpose == "the render engine FLAT"
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
        assert list(preflight.find_problems(bpy.context, animation=True)) == []
        library = Path(sys.modules[module].__file__).with_name("fast.dll")
        library.touch()
        try:
            error, warning = preflight.find_problems(bpy.context, animation=True)
        finally:
            library.unlink()
        assert (error.level, warning.level) == ("ERROR", "WARNING")
        assert "FLAT" in error.text and warning.text.startswith("The add-on Flat is not sent: ")


def case_one_that_is_part_of_blender_goes_without_files(folder: Path) -> None:
    with enabled("hydra_storm"):
        bpy.context.scene.render.engine = "HYDRA_STORM"
        need = needs()["hydra_storm"]
        assert (need.installed.root, need.installed.files, need.installed.obstacle) == (None, (), "")
        [addon] = addons.take_along([need], folder)
        assert (addon.module, addon.content, list(folder.iterdir())) == ("hydra_storm", None, [])
    bpy.context.scene.render.engine = "CYCLES"
    assert needs() == {}


def case_what_is_compiled_is_not_sent(folder: Path) -> None:
    module = module_of("fast")
    with enabled(module):
        glow("fast")
        [problem] = warnings(folder)
        assert problem.level == "WARNING"
        assert problem.text == (
            "The add-on Fast is not sent: it has parts compiled for this computer "
            "(speed.cpython-311-x86_64-linux-gnu.so)"
        ), problem.text
        assert problem.names == ("Used for the node fast Glow in material Wall",)
        assert addons.take_along(needs().values(), folder) == ()


def case_what_brings_compiled_packages_is_not_sent(folder: Path) -> None:
    module = module_of("bricks")
    with enabled(module):
        glow("bricks")
        manifest = Path(sys.modules[module].__file__).with_name("blender_manifest.toml")
        before = manifest.read_text()
        for wheel, sent in (("a-1-py3-none-any.whl", True), ("a-1-cp311-cp311-win_amd64.whl", False)):
            manifest.write_text(before + f'[build.generated]\nwheels = ["./wheels/{wheel}"]\n')
            obstacle = needs()[module].installed.obstacle
            assert obstacle == ("" if sent else f"it has parts compiled for this computer ({wheel})"), obstacle
        manifest.write_text(before)


def case_what_is_huge_is_not_sent(folder: Path) -> None:
    with enabled(module_of("huge")):
        glow("huge")
        assert needs()[module_of("huge")].installed.obstacle == "it is larger than 50 MB"


def case_copies_have_all_but_caches(folder: Path) -> None:
    with enabled(module_of("cached"), "oldstyle", "oldfolder"):
        for name in ("cached", "oldstyle", "oldfolder"):
            glow(name)
        found = needs()
        taken = {addon.module: addon for addon in addons.take_along(found.values(), folder)}
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert names == {
            "_addons/bl_ext/user_default/cached/__init__.py",
            "_addons/bl_ext/user_default/cached/blender_manifest.toml",
            "_addons/bl_ext/user_default/cached/presets/some.py",
            "_addons/oldfolder/__init__.py",
            "_addons/oldstyle.py",
        }, names
        assert taken["oldstyle"].content == folder / "_addons" / "oldstyle.py"
        assert taken["oldfolder"].content == folder / "_addons" / "oldfolder"
        assert (taken["oldstyle"].name, taken["oldstyle"].version) == ("Old Style", "2.5")


def case_what_cannot_be_read_is_not_sent(folder: Path) -> None:
    files = part("ui.addon_files")
    gone = folder / "gone.py"
    gone.symlink_to(folder / "nowhere")
    assert files._obstacle(folder, ("gone.py",)) == "gone.py cannot be read"


def case_a_large_file_is_looked_through(folder: Path) -> None:
    with enabled(*map(module_of, ("bricks", "lifter", "wobbly", "tilter"))):
        for number in range(10_000):
            made = bpy.data.objects.new(f"o{number}", None)
            bpy.context.scene.collection.objects.link(made)
            if number < 500:
                made.driver_add("location", 2).driver.expression = "frame * 2"
        for number in range(200):
            material = bpy.data.materials.new(f"m{number}")
            if material.node_tree is None:
                material.use_nodes = True
            for _ in range(20):
                material.node_tree.nodes.new("ShaderNodeMath")
        glow("bricks")
        assert module_of("bricks") in needs()


run(globals())
