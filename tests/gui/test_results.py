# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the frames of a job are seen on the screen, and where not. Their colors tell them apart."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.record import JobRecord, SavedFrame
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.settings import Settings
from tests.gui.blender_window import BlenderWindow
from tests.gui.conftest import module
from tests.gui.display import Display
from tests.gui.driver import Driver

_COLORS = {1: (200, 30, 30), 2: (30, 160, 30), 3: (40, 40, 210)}

_SECONDS = 15.0  # Blender draws when it has time to

_IN_BLENDER = f"""
from pathlib import Path
results, session = {module("ui.results")}, {module("ui.session")}
folder = {module("backend.job.folder")}.JobFolder(Path(%r))
spec = folder.load().spec
job = session.DrivenJob(
    folder=folder,
    spec=spec,
    progress={module("backend.job.progress")}.Progress(total=3, started=0.0),
    cancel={module("backend.cancel")}.CancelToken(),
    saved={{number: (spec.output / f"000{{number}}.png",) for number in spec.frames}},
)

def windows():
    return [[area.ui_type for area in window.screen.areas] for window in bpy.context.window_manager.windows]

def areas():
    return [area for window in bpy.context.window_manager.windows for area in window.screen.areas]

def editor():
    return next(area.spaces.active for area in areas() if area.ui_type == "IMAGE_EDITOR")
"""


@pytest.fixture
def viewer(display: Display, tmp_path: Path, extension: Path) -> Iterator[Driver]:
    """Give a Blender with the extension, and in it a job whose three frames are on disk: `job`, `results`."""
    blender = BlenderWindow(display, folder=tmp_path / "user", variables={})
    blender.install(extension)
    driver = Driver(display, blender)
    blender.start()
    driver.evaluate(_IN_BLENDER % str(_job(tmp_path).path))
    yield driver
    blender.close()


def _job(folder: Path) -> JobFolder:
    (folder / "out").mkdir()
    spec = JobSpec(
        job_id="j1",
        project=folder,
        blend="a.blend",
        frames=tuple(_COLORS),
        output=folder / "out",
        blender="4.3",
        autoexec=False,
        settings=Settings(home=folder / "home"),
    )
    job = JobStore(folder / "home").create(JobRecord(spec=spec, started=time.time()))
    for number, color in _COLORS.items():
        Image.new("RGB", (1920, 1080), color).save(folder / "out" / f"000{number}.png")
        job.add_saved(SavedFrame(frame=number, seconds=1.0, files=(f"000{number}.png",)))
    return job


def show(viewer: Driver, number: int) -> None:
    viewer.evaluate(f"results.show_frames(job, frame={number})")
    viewer.settle()


def see(viewer: Driver, name: str, *numbers: int) -> None:
    """Wait until these frames are on the screen, and no others. Raises AssertionError."""
    deadline = time.monotonic() + _SECONDS
    while (seen := _seen(viewer, name)) != set(numbers):
        assert time.monotonic() < deadline, f"{seen} in {name}.png"


def _seen(viewer: Driver, name: str) -> set[int]:
    with Image.open(viewer.screenshot(name)) as screen:
        pixels = screen.convert("RGB").resize((400, 250), Image.Resampling.NEAREST).getcolors(100_000) or []
    found = [color for count, color in pixels if count > 40]
    return {number for number, color in _COLORS.items() if any(_alike(color, other) for other in found)}


def _alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 3 for a, b in zip(one, other, strict=True))


def test_a_window_opens_for_the_first_frame_and_stays_closed_when_closed(viewer: Driver, tmp_path: Path) -> None:
    viewer.evaluate(f"bpy.ops.wm.save_as_mainfile(filepath={json.dumps(str(tmp_path / 'work.blend'))})")
    main = viewer.evaluate("windows()")
    assert len(main) == 1
    see(viewer, "results-before")
    show(viewer, 1)
    assert viewer.evaluate("windows()") == [*main, ["IMAGE_EDITOR"]]
    see(viewer, "results-window", 1)
    show(viewer, 2)
    assert viewer.evaluate("windows()") == [*main, ["IMAGE_EDITOR"]]
    see(viewer, "results-next", 2)
    assert viewer.evaluate("(bpy.data.is_dirty, bpy.context.scene.frame_current)") == [False, 1]
    viewer.move(800, 500)
    viewer.key("Escape")
    viewer.wait_until(f"windows() == {main}")
    show(viewer, 3)
    assert viewer.evaluate("windows()") == main
    see(viewer, "results-closed")

    viewer.evaluate("bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)")
    viewer.settle()
    show(viewer, 1)
    assert viewer.evaluate("windows()") == [*main, ["IMAGE_EDITOR"]]
    see(viewer, "results-loaded", 1)
    assert viewer.evaluate("bpy.data.is_dirty") is False


def test_an_open_image_editor_is_used_and_outlasts_undo(viewer: Driver) -> None:
    viewer.evaluate("next(area for area in areas() if area.ui_type == 'PROPERTIES').ui_type = 'IMAGE_EDITOR'")
    viewer.settle()
    before = viewer.evaluate("windows()")
    viewer.move(*viewer.where("VIEW_3D"))
    viewer.key("g", "1", "Return")
    viewer.wait_until("max(bpy.data.objects['Cube'].location) == 1 and not bpy.context.window.modal_operators[:]")
    for number in (1, 2):
        show(viewer, number)
    assert viewer.evaluate("windows()") == before
    see(viewer, "results-editor", 2)
    for key, place in (("ctrl+z", 0), ("ctrl+shift+z", 1)):
        viewer.move(*viewer.where("VIEW_3D"))
        viewer.key(key)
        viewer.wait_until(f"max(bpy.data.objects['Cube'].location) == {place}")
        see(viewer, f"results-{key}", 2)
    viewer.evaluate("results.show_end(job)")
    see(viewer, "results-end", 2)
    for number in (3, 1):
        viewer.evaluate(f"bpy.context.scene.frame_set({number})")
        viewer.settle()
        see(viewer, f"results-timeline-{number}", number)
    viewer.move(*viewer.where("VIEW_3D"))
    viewer.key("ctrl+z")
    viewer.wait_until("max(bpy.data.objects['Cube'].location) == 0")
    assert viewer.evaluate("editor().image.source") == "SEQUENCE"
    see(viewer, "results-undone", 1)


def test_no_window_where_none_is_wanted_but_for_show_result(viewer: Driver) -> None:
    viewer.evaluate("bpy.context.preferences.view.render_display_type = 'NONE'")
    main = viewer.evaluate("windows()")
    show(viewer, 1)
    assert viewer.evaluate("windows()") == main
    see(viewer, "results-none")
    assert viewer.evaluate("results.show_result(folder, bpy.context)") is None
    viewer.settle()
    assert viewer.evaluate("windows()") == [*main, ["IMAGE_EDITOR"]]
    see(viewer, "results-shown", 1)
    show(viewer, 3)
    see(viewer, "results-shown-next", 3)


def test_an_image_of_the_users_is_left_alone(viewer: Driver) -> None:
    viewer.evaluate("next(area for area in areas() if area.ui_type == 'PROPERTIES').ui_type = 'IMAGE_EDITOR'")
    viewer.evaluate("editor().image = own = bpy.data.images.new('Own', 64, 64)")
    main = viewer.evaluate("windows()")
    show(viewer, 1)
    assert viewer.evaluate("windows()") == [*main, ["IMAGE_EDITOR"]]
    see(viewer, "results-beside", 1)
    assert (
        viewer.evaluate("sum(area.spaces.active.image == own for area in areas() if area.type == 'IMAGE_EDITOR')") == 1
    )
