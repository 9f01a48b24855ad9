# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine image from the preferences, by mouse and keyboard: built, seen in the list, deleted; and a crash midway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.command import wait_for
from tests.gui.conftest import module
from tests.gui.driver import Driver
from tests.gui.test_panel import area, complaints
from tests.localcloud.cloud import Cloud
from tests.localcloud.quick_blender import quick_blender, rendering

SESSION = f"{module('ui.session')}.SESSION"
BAKING = f"{SESSION}.baking"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Give the test an account whose machines have a quick Blender of the windowed one's series; `hold` holds it."""
    script = quick_blender(tmp_path / "hold", version="4.3.2", device="OPTIX (Tesla T4)")
    with Cloud(blenders={"4.3.2": script}) as quick:
        yield quick


def open_preferences(studio: Driver) -> None:
    """Let the whole window show the preferences, from Machine Images on."""
    studio.evaluate(
        f"window = bpy.context.window_manager.windows[0]\n"
        f"found = {area('VIEW_3D')}\n"
        "with bpy.context.temp_override(window=window, area=found):\n"
        "    bpy.ops.screen.screen_full_area()\n"
        f"{area('VIEW_3D')}.type = 'PREFERENCES'\n"
        "bpy.context.preferences.active_section = 'ADDONS'\n"
        "bpy.context.window_manager.addon_search = 'cloud'\n"
        f"{module('ui.preferences')}.preferences().setup_done = True\n"
        "bpy.ops.preferences.addon_expand(module='bl_ext.user_default.cloudrender')"
    )
    studio.settle()


def press_build(studio: Driver, *, picture: str = "") -> None:
    """Press Build Image and agree to the dialog."""
    studio.click(*studio.find_button("cloudrender.build_image", "PREFERENCES", across=0.6, down=0.62))
    studio.wait_until(f"not {SESSION}.busy and {SESSION}.dialog is not None")
    if picture:
        studio.screenshot(picture)
    studio.key("Return")
    studio.wait_until(f"{BAKING} is not None")


def test_an_image_is_built_listed_and_deleted(studio: Driver, cloud: Cloud, tmp_path: Path) -> None:
    (hold := tmp_path / "hold").touch()
    cloud.images.seconds = 1.0
    studio.blender.start("--online-mode")
    open_preferences(studio)
    press_build(studio, picture="build-image")
    wait_for(lambda: rendering(cloud), "the first frame")
    studio.wait_until(f"'first frame' in {BAKING}.doing")
    studio.screenshot("building-image")
    hold.unlink()
    studio.wait_until(f"{BAKING} is None and not {SESSION}.busy and {SESSION}.images", 90)
    assert studio.evaluate(f"{SESSION}.baked.title") == "Image Ready"
    studio.screenshot("image-ready")
    [image] = re.findall(r"image (ami-\w+)", "\n".join(cloud.leftovers()))
    assert cloud.leftovers(allowed=["image"]) == []
    assert studio.evaluate(f"[[image.id, image.job_id] for image in {SESSION}.images]") == [[image, ""]]

    studio.click(*studio.find_button("cloudrender.delete_image", "PREFERENCES", across=0.95, down=0.7, words=image))
    studio.screenshot("delete-image")
    studio.key("Return")
    studio.wait_until(f"{SESSION}.images == () and not {SESSION}.busy")
    assert cloud.leftovers() == [] and not complaints(studio)


def test_the_next_start_ends_what_a_crash_has_left(studio: Driver, cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    studio.blender.start("--online-mode")
    open_preferences(studio)
    press_build(studio)
    wait_for(lambda: rendering(cloud), "the first frame")
    studio.blender.kill()
    assert cloud.leftovers(), "nobody has ended the machine"
    studio.blender.start("--online-mode")
    wait_for(lambda: not cloud.leftovers(), "the machine to be ended")
    studio.wait_until(f"not {SESSION}.busy")
