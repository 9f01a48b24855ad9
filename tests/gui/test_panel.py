# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension as a user meets it: installed by Blender's own command, its panels drawn, nothing rendered yet."""

from __future__ import annotations

from pathlib import Path

from tests.gui.conftest import module
from tests.gui.driver import Driver

SESSION = f"{module('ui.session')}.SESSION"

RENDER_MENU = (129, 14)  # Blender tells nothing of the top bar's layout


def area(kind: str) -> str:
    """Return Python that finds an area."""
    return f"next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == {kind!r})"


def complaints(studio: Driver) -> list[str]:
    """Return what Blender printed that tells of a fault."""
    words = ("Traceback", "Error", "rna_uiItem", "not found", "unknown")
    return [line for line in studio.blender.log.splitlines() if any(word in line for word in words)]


def test_the_panel_is_in_the_sidebar_and_in_the_output_properties(studio: Driver, project: Path) -> None:
    studio.blender.start("--online-mode", str(project))
    studio.open_tab("Cloud")
    studio.screenshot("sidebar")
    studio.find_button("cloudrender.render", "VIEW_3D", "UI", words="animation=False")
    # Below everything else that is there: the search leaves only what fits.
    studio.evaluate(
        f"space = {area('PROPERTIES')}.spaces.active\nspace.context = 'OUTPUT'\nspace.search_filter = 'cloud'"
    )
    studio.settle()
    studio.find_button("cloudrender.render", "PROPERTIES", words="animation=True")
    studio.screenshot("output-properties")
    assert not complaints(studio)


def test_rendering_waits_for_a_saved_file_and_the_permission_to_go_online(studio: Driver) -> None:
    studio.blender.start()
    studio.open_tab("Cloud")
    assert not studio.evaluate("bpy.ops.cloudrender.render.poll()")
    studio.move(*studio.find_button("cloudrender.render", "VIEW_3D", "UI", words="animation=False"))
    studio.screenshot("offline")
    assert not complaints(studio)


def test_the_menu_and_the_search_know_it(studio: Driver, project: Path) -> None:
    studio.blender.start("--online-mode", str(project))
    studio.click(*RENDER_MENU)
    studio.screenshot("menu")
    studio.key("Escape")
    studio.move(*studio.where("VIEW_3D", across=0.3))
    studio.key("F3")
    studio.type("render animation in cloud")
    studio.screenshot("search")
    studio.key("Return")
    studio.settle()
    studio.screenshot("search-dialog")
    studio.key("Escape")
    assert not complaints(studio)


def test_alternatives_are_suggested_one_after_the_other(studio: Driver, project: Path) -> None:
    studio.blender.start("--online-mode", str(project))
    studio.open_tab("Cloud")
    studio.click(*studio.find_button("more_types", "VIEW_3D", "UI", across=0.7))
    studio.type("g5.xlarge, l40s")
    studio.screenshot("alternatives")
    studio.key("Down", "Return")
    studio.settle()
    found = studio.evaluate("bpy.context.scene.cloudrender.more_types")
    assert found in ("g5.xlarge, g6e.xlarge", "g5.xlarge, g6e.2xlarge"), found
    assert not complaints(studio)


def test_preferences(studio: Driver) -> None:
    studio.blender.start("--online-mode")
    studio.evaluate(
        f"{area('VIEW_3D')}.type = 'PREFERENCES'\n"
        "bpy.context.preferences.active_section = 'ADDONS'\n"
        "bpy.context.window_manager.addon_search = 'cloud'\n"
        "bpy.ops.preferences.addon_expand(module='bl_ext.user_default.cloudrender')"
    )
    studio.settle()
    studio.screenshot("preferences")
    studio.click(*studio.find_button("cloudrender.check_setup", "PREFERENCES", across=0.6))
    studio.wait_until(f"len({SESSION}.checks) == 8 and not {SESSION}.busy", 60)
    studio.screenshot("preferences-checked")
    assert studio.evaluate(f"[check.name for check in {SESSION}.checks if check.state != 'ok']") == []
    assert studio.evaluate("bpy.context.preferences.addons['bl_ext.user_default.cloudrender'].preferences.setup_done")
    assert not complaints(studio)
