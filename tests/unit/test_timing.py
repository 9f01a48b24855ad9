# SPDX-License-Identifier: GPL-3.0-or-later
"""From launch to first frame, step by step: noted once a machine, by whoever launched it, never in a job's way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloudrender_addon.backend.farms.base import Machine
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.timing import STEPS, MachineTiming, Timed, timings
from tests.unit.test_baking import a_machine

LAUNCHED = 1_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path)


def machine(name: str = "i-1") -> Machine:
    return replace(a_machine(), instance_id=name, launched_at=LAUNCHED)


def step(name: str, seconds: float) -> ev.StepTaken:
    return ev.StepTaken(at=0.0, step=name, moment=LAUNCHED + seconds)


def frame(number: int) -> ev.FrameSaved:
    return ev.FrameSaved(at=0.0, frame=number, paths=(), seconds=1.0)


def test_each_step_once_for_each_machine(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudrender_addon.backend.job.timing.now", lambda: LAUNCHED + 60.0)
    passed: list[ev.Event] = []
    timed = Timed(folder, passed.append)
    events = [
        ev.MachineLaunched(at=0.0, machine=machine()),
        step("running", 12.0),
        step("answers", 25.0),
        step("answers", 99.0),
        step("blender", 31.25),
        frame(1),
        frame(2),
        ev.MachineReleased(at=0.0, machine=machine()),
        ev.MachineLaunched(at=0.0, machine=machine("i-2")),
        step("running", 14.0),
        ev.MachineReleased(at=0.0, machine=machine("i-2")),
    ]
    for event in events:
        timed(event)
    assert passed == events
    first, second = timings(folder)
    assert first == MachineTiming(
        instance_id="i-1",
        instance_type="g4dn.xlarge",
        image_id="ami-1",
        seconds={"running": 12.0, "answers": 25.0, "blender": 31.25, "first_frame": 60.0},
    )
    assert (second.instance_id, second.seconds) == ("i-2", {"running": 14.0})
    assert set(first.seconds) <= set(STEPS)


def test_who_did_not_launch_the_machine_was_not_there(folder: JobFolder) -> None:
    timed = Timed(folder, lambda _: None)
    for event in (step("agent", 3.0), frame(1), ev.MachineReleased(at=0.0, machine=machine())):
        timed(event)
    assert timings(folder) == ()


def test_a_full_disk_or_a_damaged_line_stops_nothing(folder: JobFolder, tmp_path: Path) -> None:
    timed = Timed(JobFolder(tmp_path / "gone"), lambda _: None)
    timed(ev.MachineLaunched(at=0.0, machine=machine()))
    timed(frame(1))
    whole = '{"instance_id": "i-1", "instance_type": "t", "image_id": "a", "seconds": {}}'
    (tmp_path / "timing.jsonl").write_text(f'{{"instance_id": "i-0"\n{whole}\n{{"other": 1}}\n')
    assert [each.instance_id for each in timings(folder)] == ["i-1"]
