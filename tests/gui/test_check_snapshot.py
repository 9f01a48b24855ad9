# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Snapshot by the mouse: a pink texture is seen before anything is paid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gui.conftest import module
from tests.gui.driver import Driver
from tests.gui.test_render_in_cloud import images
from tests.localcloud.cloud import Cloud

SESSION = f"{module('ui.session')}.SESSION"
SECONDS = 300.0
pytestmark = pytest.mark.timeout(900)


def start(studio: Driver, project: Path) -> None:
    """Open the project with the sidebar's tab on top, and only the Files panel below the buttons."""
    studio.blender.start(str(project))
    studio.evaluate(
        "space = next(area.spaces.active for area in bpy.context.window_manager.windows[0].screen.areas"
        " if area.type == 'VIEW_3D')\n"
        "space.region_3d.view_perspective = 'CAMERA'\nspace.overlay.show_overlays = False"
    )
    studio.open_tab("Cloud")


def press(studio: Driver) -> tuple[int, int]:
    """Press Check Snapshot; return where it was."""
    place = studio.find_button("cloudrender.check_snapshot", "VIEW_3D", "UI")
    studio.click(*place)
    studio.wait_until(f"{SESSION}.checking is not None or {SESSION}.checked is not None")
    return place


def outcome(studio: Driver) -> Any:
    """Wait for the end; return differing, the pictures that are loaded, and what an editor shows."""
    studio.wait_until(f"{SESSION}.checking is None", SECONDS)
    assert studio.evaluate(f"str({SESSION}.checked and {SESSION}.checked.error)") == "None", studio.blender.log
    studio.wait_until("any(image.get('cloudrender_check') == 'BUNDLE' for image in bpy.data.images)")
    return studio.evaluate(f"{SESSION}.checked.result.differing")


def loaded(studio: Driver) -> list[str]:
    return sorted(studio.evaluate("[image.name for image in bpy.data.images if image.get('cloudrender_check')]"))


def test_a_pink_texture_is_seen_before_anything_is_paid(studio: Driver, cloud: Cloud, project: Path) -> None:
    ignore = project.parent / ".cloudrenderignore"
    ignore.write_text("textures/\n")
    start(studio, project)
    before = studio.evaluate("[bpy.data.filepath, bpy.data.is_dirty, bpy.context.scene.render.filepath]")
    files = sorted(project.parent.rglob("*"))
    press(studio)
    studio.screenshot("checking-snapshot")
    assert outcome(studio) > 0.05
    assert len(loaded(studio)) == 3 and images(studio) == ["Cloudrender Check: Bundle"]
    studio.move_windows_aside(60, 640)
    studio.screenshot("check-snapshot-pink")
    assert studio.evaluate("[bpy.data.filepath, bpy.data.is_dirty, bpy.context.scene.render.filepath]") == before
    assert sorted(project.parent.rglob("*")) == files
    studio.click(*studio.find_button("cloudrender.show_check", "VIEW_3D", "UI", words="OPEN_FILE", across=0.15))
    studio.wait_until("True")
    assert images(studio) == ["Cloudrender Check: Open File"]

    ignore.unlink()
    press(studio)
    assert outcome(studio) == 0
    assert studio.evaluate(f"{SESSION}.checked.result.identical"), "the pictures in the editor are not rendered"
    studio.wait_until("sum(bool(image.get('cloudrender_check')) for image in bpy.data.images) == 2")
    studio.move_windows_aside(60, 640)
    studio.screenshot("check-snapshot-identical")
    assert not cloud.machines and not cloud.calls


def test_a_check_is_given_up_by_its_button(studio: Driver, cloud: Cloud, project: Path) -> None:
    start(studio, project)
    pressed = press(studio)
    studio.screenshot("checking-snapshot")
    place = studio.where("VIEW_3D", "UI", across=0.83, down=0.5)
    studio.click(place[0], pressed[1])  # in the row of the button that it took the place of
    studio.wait_until(f"{SESSION}.checking is None", 30)
    assert studio.evaluate(f"{SESSION}.checked is None") and not loaded(studio)
    home = studio.evaluate(f"str({module('ui.preferences')}.jobs_home())")
    assert not list(Path(home).glob("check-*"))
