# SPDX-License-Identifier: GPL-3.0-or-later
"""The job behind the terminal: whatever befalls the face, the machine is ended."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.progress import Progress
from cloudrender_addon.backend.job.record import JobRecord, SavedFrame
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.settings import Settings
from cloudrender_addon.cli.display import LineDisplay
from cloudrender_addon.cli.drive import drive
from cloudrender_addon.cli.jobs import drive_folder
from tests.unit.fakes import FakeFarm, frame_event, render_all


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    spec = JobSpec(
        job_id="j", project=tmp_path, blend="a.blend", frames=(1, 2), output=tmp_path / "out", blender="4.2",
        autoexec=False, settings=Settings(home=tmp_path / "home"),
    )  # fmt: skip
    return JobStore(tmp_path / "home").create(JobRecord(spec=spec, started=time.time()))


def endless(plan: RenderPlan) -> Iterator[Any]:
    """An agent that renders one frame and goes on for ever."""
    yield frame_event(1)
    yield from silent(plan)


def silent(plan: RenderPlan) -> Iterator[Any]:
    """An agent that goes on for ever and renders nothing."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.01)
        yield None


class Display(LineDisplay):
    """A face that does something at its first frame."""

    def __init__(self, act: Any) -> None:
        self.said: list[str] = []
        self._act = act

    def say(self, text: str) -> None:
        self.said.append(text)

    def show(self, event: ev.Event, progress: Progress) -> None:
        if isinstance(event, ev.FrameSaved):
            self._act()


def run(folder: JobFolder, farm: FakeFarm, display: Display) -> int:
    return drive(folder, farm=farm, bundle=lambda _cancel: Bundle(root=Path(), files=()), display=display)


def test_a_face_that_falls_over_ends_the_machine_first(folder: JobFolder) -> None:
    def fall() -> None:
        raise ZeroDivisionError

    farm = FakeFarm([endless])
    with pytest.raises(ZeroDivisionError):
        run(folder, farm, Display(fall))
    assert farm.launched and farm.running == {}


def test_ctrl_c_is_answered_and_ends_the_machine(folder: JobFolder) -> None:
    display = Display(lambda: signal.raise_signal(signal.SIGINT))
    farm = FakeFarm([endless])
    assert run(folder, farm, display) == 130 and farm.running == {}
    assert any("Stopping" in text for text in display.said) and "Left running: nothing" in display.said


def test_ctrl_c_before_the_first_frame_says_how_to_go_on(folder: JobFolder) -> None:
    display = Display(lambda: None)
    farm = FakeFarm([silent], on_launch=lambda: signal.raise_signal(signal.SIGINT))
    assert run(folder, farm, display) == 130 and farm.launched and farm.running == {}
    assert "Missing: 1-2; to render them: `cloudrender attach j`" in display.said


def test_a_machine_that_is_kept_is_told_apart_from_one_that_is_left(folder: JobFolder) -> None:
    record = folder.load()
    folder.save(replace(record, spec=replace(record.spec, settings=replace(record.spec.settings, keep_minutes=30))))
    farm, display = FakeFarm([render_all]), Display(lambda: None)
    farm.on_launch = lambda: farm.running.update({"i-forgotten": None})
    assert run(folder, farm, display) == 0
    [kept] = [text for text in display.said if "is kept until" in text]
    assert "as asked, $0.360 an hour: `cloudrender cancel j` ends it sooner" in kept
    assert [text for text in display.said if "Left running" in text] == ["Left running besides: i-forgotten"]


def test_a_job_folder_that_vanishes_does_not_keep_the_machine(folder: JobFolder) -> None:
    farm = FakeFarm([render_all], on_launch=lambda: shutil.rmtree(folder.path))
    with pytest.raises(Exception, match=r"record"):
        run(folder, farm, Display(lambda: None))
    assert farm.launched and farm.running == {}


def test_who_only_looks_whether_a_job_is_driven_keeps_nobody_from_attaching(folder: JobFolder) -> None:
    looking = threading.Event()

    def look() -> None:
        with folder.lock():
            looking.set()
            time.sleep(0.2)

    folder.save(replace(folder.load(), status=Status.SUCCEEDED))
    (folder.load().spec.output).mkdir()
    for frame in (1, 2):
        (folder.load().spec.output / f"{frame}.png").write_bytes(b"1")
        folder.add_saved(SavedFrame(frame=frame, seconds=1, files=(f"{frame}.png",), sizes=(1,)))
    other = threading.Thread(target=look)
    other.start()
    assert looking.wait(5)
    display = Display(None)
    assert drive_folder(folder, display) == 0 and "is complete" in display.said[-1]
    other.join()


def test_what_is_strange_about_the_frames_is_said_once_more_when_they_are_here(folder: JobFolder) -> None:
    def agent(plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "scene", "engine": "CYCLES", "device": "CPU", "notes": ["Not found: a.png"]}
        yield from render_all(plan)

    display = Display(lambda: None)
    assert run(folder, FakeFarm([agent]), display) == 0
    assert display.said.count("Note: Not found: a.png") == 1
