# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job will take: from earlier jobs, and from its own pace; and how the command says it."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cloudrender_addon.backend.farms.base import MachineRequest
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.estimate import (
    Estimate,
    Pace,
    estimate,
    projected_data_out_usd,
    projected_usd,
    remembered_pace,
)
from cloudrender_addon.backend.job.progress import Progress
from cloudrender_addon.backend.job.record import JobRecord, SavedFrame
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.settings import Settings
from cloudrender_addon.cli.display import LineDisplay
from cloudrender_addon.cli.forecast import Forecasting
from tests.unit.fakes import FakeFarm

REQUEST = MachineRequest(
    job_id="j", token="t", instance_types=("g4dn.xlarge",), disk_bytes=1, lifetime_seconds=7200, lease_seconds=60
)
MACHINE = replace(FakeFarm([]).plan(REQUEST), instance_id="i-1", launched_at=1000.0)  # 0.36 USD an hour


def remember(
    home: Path, job_id: str, *seconds: float, blend: str = "a.blend", kind: str = "g4dn.xlarge", size: int = 0
) -> None:
    """Leave a job behind whose frames took so long."""
    output = home / "out"
    output.mkdir(exist_ok=True)
    spec = JobSpec(
        job_id=job_id, project=home, blend=blend, frames=(1, 2, 3), output=output, blender="4.2", autoexec=False,
        settings=Settings(home=home, instance_type=kind),
    )  # fmt: skip
    folder = JobStore(home).create(JobRecord(spec=spec, started=1.0))
    for frame, each in enumerate(seconds, start=1):
        name = f"{job_id}-{frame:04d}.png"
        (output / name).write_bytes(bytes(size))
        folder.add_saved(SavedFrame(frame=frame, seconds=each, files=(name,), sizes=(size,) if size else ()))


def test_estimate_is_overhead_and_frames() -> None:
    found = estimate(frames=100, hourly_usd=0.36, pace=Pace(seconds=17.0), overhead_seconds=100.0)
    assert found == Estimate(hourly_usd=0.36, seconds=1800.0, usd=pytest.approx(0.18))


def test_what_comes_back_is_reckoned_apart() -> None:
    found = estimate(frames=100, hourly_usd=0.36, pace=Pace(seconds=17.0, size=25e6), overhead_seconds=100.0)
    assert found.usd == pytest.approx(0.18) and found.data_out_usd == pytest.approx(2.5 * 0.09)


def test_estimate_is_of_a_minute_at_least() -> None:
    assert estimate(frames=1, hourly_usd=0.36, pace=Pace(seconds=1), overhead_seconds=0).usd == pytest.approx(0.006)


def test_without_a_pace_only_the_price_is_known() -> None:
    found = estimate(frames=9, hourly_usd=0.36, pace=None, overhead_seconds=100.0)
    assert found == Estimate(hourly_usd=0.36, seconds=None, usd=None)


def test_pace_is_that_of_the_latest_job_of_the_same_file_and_type(tmp_path: Path) -> None:
    store = JobStore(tmp_path)

    def pace() -> float | None:
        found = remembered_pace(store, blend=tmp_path / "a.blend", instance_type="g4dn.xlarge")
        return found and found.seconds

    assert pace() is None
    remember(tmp_path, "1", 50.0)
    remember(tmp_path, "2", 10.0, 20.0)
    remember(tmp_path, "3", 1.0, blend="b.blend")
    remember(tmp_path, "4", 2.0, kind="g5.xlarge")
    remember(tmp_path, "5")  # cancelled before its first frame
    (tmp_path / "jobs" / "6").mkdir()
    (tmp_path / "jobs" / "6" / "record.json").write_text("damaged")
    assert pace() == 15.0
    (tmp_path / "out" / "2-0001.png").unlink()
    assert pace() == 20.0
    (tmp_path / "out" / "2-0002.png").unlink()
    assert pace() == 50.0


def test_pace_knows_how_large_frames_are_unless_the_record_is_older(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    remember(tmp_path, "1", 1.0, 2.0, size=500)
    find = partial(remembered_pace, store, blend=tmp_path / "a.blend", instance_type="g4dn.xlarge")
    assert find() == Pace(seconds=1.5, size=500)
    remember(tmp_path, "2", 3.0)
    assert find() == Pace(seconds=3.0, size=None)


def rendering() -> Progress:
    progress = Progress(total=4, started=990.0)
    for event in (
        ev.MachineLaunched(at=1000, machine=MACHINE),
        ev.StatusChanged(at=1100, status=Status.RENDERING),
        ev.FrameSaved(at=1200, frame=1, paths=(), seconds=99),
    ):
        progress = progress.after(event)
    return progress


def test_projection_is_the_cost_so_far_and_that_of_the_frames_to_come() -> None:
    assert projected_usd(rendering(), 1200) == pytest.approx(0.02 + 0.03)  # 200 s are spent, three times 100 s to go


def test_nothing_is_projected_before_the_first_frame_or_without_a_machine() -> None:
    progress = rendering()
    assert projected_usd(replace(progress, done=0), 1200) is None
    assert projected_usd(progress.after(ev.MachineReleased(at=1300, machine=MACHINE)), 1300) is None
    assert projected_usd(progress.after(ev.StatusChanged(at=1300, status=Status.RECOVERING)), 1300) is None


def test_the_way_back_of_all_frames_is_projected_from_those_that_came() -> None:
    assert projected_data_out_usd(rendering()) is None  # of an older version's event nobody knows the size
    progress = replace(rendering(), failed=1).after(ev.FrameSaved(at=1300, frame=2, paths=(), seconds=1, size=10**9))
    assert projected_data_out_usd(progress) == pytest.approx(3 * 0.09)


def said(event: ev.Event, progress: Progress, *, pace: Pace | None) -> list[str]:
    out = io.StringIO()
    Forecasting(LineDisplay(out), pace=lambda: pace).show(event, progress)
    return out.getvalue().splitlines()


def test_the_command_says_price_and_estimate_before_it_rents() -> None:
    planned = ev.MachinePlanned(at=1000, machine=MACHINE)
    price, expected = said(planned, Progress(total=100, started=990.0, done=40), pace=Pace(seconds=57.0))
    assert price.startswith("g4dn.xlarge spot in us-east-1 (4 vCPUs, T4), at most $0.360 an hour")
    assert expected == "60 frames will take about 1:00:00 and $0.36, going by the last render of this file"
    assert "not known" in said(planned, Progress(total=1, started=0.0), pace=None)[1]


def test_the_command_says_the_estimate_without_the_start_of_a_machine_that_was_kept() -> None:
    taken = ev.MachineTakenOver(at=1000, machine=MACHINE, kept_by="k")
    expected = said(taken, Progress(total=60, started=990.0), pace=Pace(seconds=60.0))[1]
    assert expected == "60 frames will take about 1:00:00 and $0.36, going by the last render of this file"


def test_the_command_says_what_large_frames_cost_to_bring() -> None:
    planned = ev.MachinePlanned(at=1000, machine=MACHINE)
    expected = said(planned, Progress(total=60, started=990.0), pace=Pace(seconds=57.0, size=1e8))[1]
    assert "about 1:00:00 and $0.36, and up to $0.54 more for data out, going by" in expected
    saved = ev.FrameSaved(at=1200, frame=1, paths=(), seconds=99)
    [line] = said(saved, replace(rendering(), received=10**9, weighed=1), pace=None)
    assert line.endswith("$0.0200 of about $0.0500 + up to $0.36 data out")


def test_the_command_says_how_the_machine_is_bought() -> None:
    machine = replace(MACHINE, request=replace(REQUEST, on_demand=True))
    planned = ev.MachinePlanned(at=1000, machine=machine)
    assert said(planned, Progress(total=1, started=0.0), pace=None)[0].startswith("g4dn.xlarge on-demand in us-east-1")


def test_the_command_says_the_projected_cost() -> None:
    saved = ev.FrameSaved(at=1200, frame=1, paths=(), seconds=99)
    [line] = said(saved, rendering(), pace=None)
    assert line.endswith("1/4 · 3:30 elapsed · 5:00 left · $0.0200 of about $0.0500")
