# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: what the preflight says of the scene, the machine, the engine and what else is to be rendered."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
from enabled import part
from preflight_kit import again, image, only, picture, problems, save


def case_a_file_in_order_has_no_problems(folder: Path) -> None:
    project = save(folder)
    picture(project / "tex" / "wood.png")
    image("//tex/wood.png")
    again(project)
    assert problems() == [] and problems(animation=False) == []


def case_no_camera(folder: Path) -> None:
    save(folder)
    bpy.context.scene.camera = None
    problem = only(problems())
    assert (problem.level, problem.text) == ("ERROR", "The scene has no camera")


def case_offline(folder: Path) -> None:
    save(folder)
    bpy.context.preferences.system.use_online_access = False
    problem = only(problems())
    assert (problem.level, problem.operator) == ("ERROR", "extensions.userpref_allow_online")
    assert "offline" in problem.text and "Allow Online Access" in problem.fix


def case_a_movie(folder: Path) -> None:
    save(folder)
    settings = bpy.context.scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    problem = only(problems())
    assert problem.level == "WARNING" and "PNG" in problem.text
    assert problems(animation=False) == []


def case_an_engine_that_needs_a_gpu(folder: Path) -> None:
    save(folder)
    scene = bpy.context.scene
    for engine, label in ((part("ui.compat").EEVEE, "EEVEE"), ("BLENDER_WORKBENCH", "Workbench")):
        scene.render.engine = engine
        assert scene.render.engine == engine
        for machine, fits in (("g6.xlarge", True), ("g99.xlarge", True), ("c7a.4xlarge", False), ("x9.large", False)):
            scene.cloudrender.machine_type = machine
            found = problems()
            assert bool(found) != fits, machine
            if found:
                assert found[0].level == "WARNING" and label in found[0].text and machine in found[0].text
    scene.render.engine = "CYCLES"
    assert problems() == []


def case_a_machine_type_that_is_none(folder: Path) -> None:
    save(folder)
    quote = part("backend.farms.quotes").Quote
    quotes = part("ui.session").SESSION.quotes
    settings = bpy.context.scene.cloudrender
    try:
        for name in ("g5", "g5 xlarge", "g5.xlarge, gpu"):
            settings.machine_type = name
            assert only(problems()).text.endswith("is not the name of a machine type")
        settings.machine_type = "c7g.large"
        assert only(problems()).text.startswith("c7g.large has a Graviton (ARM) processor")
        estimate = part("ui.panel_parts").estimate_text(bpy.context, frames=9)
        assert estimate.startswith("c7g.large has a Graviton (ARM) processor")
        settings.machine_type = "g5.xlagre"
        assert problems() == [], "nobody has asked Amazon yet"
        quotes["g5.xlagre"] = quote(spot_usd=None, on_demand_usd=None, extras_usd=0.1)
        assert problems() == [], "prices may be kept from this user"
        quotes["g5.xlarge"] = quote(spot_usd=0.5, on_demand_usd=1.0, extras_usd=0.1)
        found = only(problems())
        assert found.level == "ERROR" and found.text.startswith("g5.xlagre is not to be had")
        settings.machine_type = "g5.xlarge"
        assert problems() == []
    finally:
        quotes.clear()


def case_a_blender_that_is_no_release(folder: Path) -> None:
    app = SimpleNamespace(version=(5, 3, 0), version_cycle="alpha", version_string="5.3.0 Alpha")
    problem = only(list(part("ui.preflight_scene")._version_problems(app)))
    assert problem.level == "WARNING" and "5.3.0 Alpha" in problem.text and "newest release of 5.3" in problem.text
    assert not list(part("ui.preflight_scene")._version_problems(bpy.app))


def case_an_engine_that_is_not_blenders(folder: Path) -> None:
    class Foreign(bpy.types.RenderEngine):
        bl_idname = "FOREIGN_RENDER"
        bl_label = "Foreign"

    save(folder)
    bpy.utils.register_class(Foreign)
    try:
        bpy.context.scene.render.engine = "FOREIGN_RENDER"
        problem = only(problems())
    finally:
        bpy.utils.unregister_class(Foreign)
    assert problem.level == "ERROR" and "FOREIGN_RENDER" in problem.text


def case_frames_that_make_no_sense(folder: Path) -> None:
    save(folder)
    settings = bpy.context.scene.cloudrender
    settings.frames, settings.custom_frames = "CUSTOM", "50-1"
    assert only(problems()).level == "ERROR"
    assert problems(animation=False) == []


def case_scripts_that_are_blocked(folder: Path) -> None:
    project = save(folder)
    driver = bpy.data.objects["Cube"].driver_add("location", 0).driver
    driver.expression = "len(bpy.data.objects)"
    text = bpy.data.texts.new("boot.py")
    text.write("pass")
    text.use_module = True
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(project / "scene.blend"), use_scripts=False)
    problem = only(problems())
    assert problem.level == "WARNING" and "blocked" in problem.text
    bpy.ops.wm.open_mainfile(filepath=str(project / "scene.blend"), use_scripts=True)
    assert problems() == []


def case_errors_come_first(folder: Path) -> None:
    project = save(folder)
    image("//nowhere.png")
    again(project)
    bpy.context.scene.camera = None
    assert [problem.level for problem in problems()] == ["ERROR", "WARNING"]
