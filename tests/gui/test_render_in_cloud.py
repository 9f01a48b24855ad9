# SPDX-License-Identifier: GPL-3.0-or-later
"""A user with mouse and keyboard, in the windowed Blender, against the stand-in cloud."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.gui.conftest import module
from tests.gui.driver import Driver
from tests.localcloud.cloud import Cloud

SESSION = f"{module('ui.session')}.SESSION"
JOB = f"{SESSION}.job"


def start(studio: Driver, project: Path, *, frames: int) -> None:
    """Open the project in a Blender that is set up, with the sidebar's tab on top."""
    studio.blender.start("--online-mode", str(project))
    studio.evaluate(f"bpy.context.scene.frame_end = {frames}")
    studio.evaluate(f"{module('ui.preferences')}.preferences().setup_done = True")
    studio.evaluate(f"{module('ui.lookups')}.refresh_quotes(bpy.context)")
    studio.evaluate(
        "space = next(area.spaces.active for area in bpy.context.window_manager.windows[0].screen.areas"
        " if area.type == 'VIEW_3D')\n"
        "space.region_3d.view_perspective = 'CAMERA'\nspace.overlay.show_overlays = False"
    )
    studio.open_tab("Cloud")
    studio.wait_until(f"len({SESSION}.quotes) > 0")


def press_render(studio: Driver, *, picture: str = "") -> None:
    """Press Render Animation in the panel and agree to the dialog, with a picture of it if wanted."""
    studio.click(*studio.find_button("cloudrender.render", "VIEW_3D", "UI", words="animation=True"))
    if picture:
        studio.screenshot(picture)
    studio.key("Return")
    studio.wait_until(f"{JOB} is not None")


def images(studio: Driver) -> list[str]:
    """Return the names of the images that Image Editors show."""
    found = studio.evaluate(
        "[space.image.name for window in bpy.context.window_manager.windows for area in window.screen.areas"
        " for space in area.spaces if area.type == 'IMAGE_EDITOR' and space.type == 'IMAGE_EDITOR' and space.image]"
    )
    return list(found)


def frames_of(project: Path) -> list[str]:
    return sorted(path.name for path in (project.parent / "out").glob("*.png"))


def other_file(studio: Driver, folder: Path) -> Path:
    """Save another file, for loading it later."""
    path = folder / "other.blend"
    studio.evaluate(f"bpy.ops.wm.save_as_mainfile(filepath={json.dumps(str(path))}, copy=True)")
    return path


def test_render_an_animation_and_load_another_file_midway(
    studio: Driver, cloud: Cloud, project: Path, tmp_path: Path
) -> None:
    start(studio, project, frames=24)
    other = other_file(studio, tmp_path)
    studio.screenshot("panel")
    before = studio.evaluate("[bpy.data.filepath, bpy.data.is_dirty, bpy.context.scene.render.filepath]")
    studio.click(*studio.find_button("cloudrender.render", "VIEW_3D", "UI", words="animation=True"))
    studio.key("Return")
    studio.wait_until(f"{JOB} is not None")
    assert studio.evaluate("[bpy.data.filepath, bpy.data.is_dirty, bpy.context.scene.render.filepath]") == before
    studio.wait_until(f"{JOB}.progress.done >= 2", 90)
    studio.move_windows_aside(60, 640)
    studio.screenshot("progress")
    studio.evaluate(f"bpy.ops.wm.open_mainfile(filepath={json.dumps(str(other))})")
    loaded_with = len(frames_of(project))
    studio.wait_until(f"{JOB}.ended is not None", 120)
    assert studio.evaluate(f"{JOB}.ended.status.value") == "succeeded"
    assert loaded_with < 24 and frames_of(project) == [f"{frame:04d}.png" for frame in range(1, 25)]
    assert images(studio), studio.blender.log
    studio.open_tab("Cloud")
    studio.move_windows_aside(60, 640)
    studio.move(*studio.where("VIEW_3D"))
    studio.screenshot("result")
    assert not cloud.leftovers()


def test_escape_cancels_a_second_job(studio: Driver, cloud: Cloud, project: Path) -> None:
    start(studio, project, frames=2)
    press_render(studio)
    studio.wait_until(f"{JOB}.ended is not None", 120)
    studio.evaluate("bpy.context.scene.frame_end = 500")
    studio.move_windows_aside(60, 640)
    studio.click(*studio.find_button("cloudrender.dismiss", "VIEW_3D", "UI", across=0.83))
    press_render(studio, picture="dialog")
    studio.wait_until(f"{JOB}.progress.done >= 1", 90)
    studio.move(*studio.where("VIEW_3D"))
    studio.wait_until("any(len(window.modal_operators) for window in bpy.context.window_manager.windows)")
    studio.key("Escape")
    studio.screenshot("cancel")
    studio.key("Return")
    studio.wait_until(f"{JOB}.ended is not None", 60)
    assert studio.evaluate(f"{JOB}.ended.status.value") == "cancelled"
    assert 1 <= len(frames_of(project)) < 500
    assert not cloud.leftovers()


def test_closing_every_editor_that_shows_a_job_leaves_it_alone(studio: Driver, cloud: Cloud, project: Path) -> None:
    start(studio, project, frames=40)
    press_render(studio)
    studio.wait_until(f"{JOB}.progress.done >= 1", 90)
    studio.wait_until("len(bpy.context.window_manager.windows) == 2")  # the first frame's
    studio.evaluate(
        "with bpy.context.temp_override(window=bpy.context.window_manager.windows[-1]):\n    bpy.ops.wm.window_close()"
    )
    studio.wait_until("len(bpy.context.window_manager.windows) == 1")
    # The 3D Viewport is closed, and where the properties were is something else: no panel is left.
    studio.evaluate(
        "def close():\n"
        "    window = bpy.context.window_manager.windows[0]\n"
        "    areas = {area.type: area for area in window.screen.areas}\n"
        "    areas['PROPERTIES'].type = 'TEXT_EDITOR'\n"
        "    with bpy.context.temp_override(window=window, area=areas['VIEW_3D']):\n"
        "        bpy.ops.screen.area_close()\n"
        "bpy.app.timers.register(close, first_interval=0)"
    )
    kinds = "{area.type for area in bpy.context.window_manager.windows[0].screen.areas}"
    studio.wait_until(f"not {kinds} & {{'VIEW_3D', 'PROPERTIES', 'IMAGE_EDITOR'}}")
    assert studio.evaluate(f"{JOB}.ended is None"), "midway"
    studio.screenshot("editors-closed")
    studio.wait_until(f"{JOB}.ended is not None", 120)
    assert studio.evaluate(f"{JOB}.ended.status.value") == "succeeded"
    assert len(frames_of(project)) == 40
    assert images(studio) == [], "who closed the result is left in peace"
    assert not cloud.leftovers()


@pytest.mark.parametrize("way", ["quit", "crash"])
def test_the_next_start_picks_up_a_running_job(studio: Driver, cloud: Cloud, project: Path, way: str) -> None:
    start(studio, project, frames=80)
    press_render(studio)
    studio.wait_until(f"{JOB}.progress.done >= 1", 90)
    if way == "quit":
        studio.evaluate("bpy.app.timers.register(lambda: bpy.ops.wm.quit_blender() and None, first_interval=0.1)")
        began = time.monotonic()
        studio.blender.wait_for_end()
        assert time.monotonic() - began < 10
    else:
        studio.blender.kill()
    gone_with = len(frames_of(project))
    if way == "quit":  # somebody goes on with it meanwhile
        deadline = time.monotonic() + 60
        while len(frames_of(project)) <= gone_with:
            assert time.monotonic() < deadline, "nobody kept the job going"
            time.sleep(0.05)
    studio.blender.start("--online-mode")
    studio.open_tab("Cloud")
    studio.wait_until(f"{JOB} is not None", 30)
    studio.wait_until(f"{JOB}.progress.done > {gone_with}", 60)
    studio.screenshot(f"picked-up-{way}")
    assert len(cloud.machines) == 1
    studio.wait_until(f"{JOB}.ended is not None", 180)
    assert studio.evaluate(f"{JOB}.ended.status.value") == "succeeded"
    assert len(frames_of(project)) == 80 and len(cloud.machines) == 1
    assert not cloud.leftovers()
