# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job has cost, and each of its frames: over several machines, and after frames were rendered again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cloudrender_addon.backend.clock import now
from cloudrender_addon.backend.errors import MachineGoneError
from cloudrender_addon.backend.farms.base import Machine
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job.cost import cost_per_frame, data_out_usd
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.summary import summarize
from cloudrender_addon.cli.job_list import list_jobs
from tests.unit.fakes import FakeFarm, frame_event, render_all
from tests.unit.one_job import run
from tests.unit.test_left_half_way import REQUEST
from tests.unit.test_limits_and_purchase import having

MINUTE = 0.36 / 60  # of a machine in memory; the least that is billed


def one_then_gone(plan: RenderPlan) -> Iterator[Any]:
    yield frame_event(plan.frames[0])
    yield MachineGoneError("reclaimed")


def test_no_frame_has_no_cost() -> None:
    assert cost_per_frame(1.0, frames=0) is None and cost_per_frame(1.0, frames=4) == 0.25


def test_a_terabyte_costs_ninety_dollars_to_bring() -> None:
    assert data_out_usd(1e12) == pytest.approx(90.0)


def test_all_machines_count(folder: JobFolder) -> None:
    ended, _ = run(folder, FakeFarm([one_then_gone, render_all]))
    assert ended.cost_usd == pytest.approx(2 * MINUTE)
    assert ended.cost_per_frame_usd == pytest.approx(2 * MINUTE / 3)
    summary = summarize(folder)
    assert (summary.cost_usd, summary.cost_per_frame_usd) == (ended.cost_usd, ended.cost_per_frame_usd)


def killed_while_launching(folder: JobFolder, farm: FakeFarm, *, minutes: float) -> None:
    """Leave the job as a client does that dies in a launch, whose machine is found that long after it."""
    planned = replace(farm.plan(REQUEST), request=replace(REQUEST, job_id=folder.job_id))
    folder.save(replace(folder.load(), status=Status.PROVISIONING, machine=planned))
    release = farm.release

    def found(machine: Machine) -> tuple[Machine, ...]:
        if machine.instance_id:
            return release(machine)
        return (replace(machine, instance_id="i-lost", launched_at=now() - minutes * 60),)

    farm.release = found  # type: ignore[method-assign]


def test_a_machine_that_the_record_never_learnt_of_counts(folder: JobFolder) -> None:
    farm = FakeFarm([render_all])
    killed_while_launching(folder, farm, minutes=10)
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and ended.cost_usd == pytest.approx(11 * MINUTE, rel=0.01)


def test_it_counts_for_the_cost_limit(folder: JobFolder) -> None:
    having(folder, max_cost=12 * MINUTE)
    farm = FakeFarm([render_all])
    killed_while_launching(folder, farm, minutes=10)
    run(folder, farm)
    assert farm.launched[0].offer.lifetime_seconds == pytest.approx(120, abs=3)


def test_it_may_have_used_all_the_money(folder: JobFolder) -> None:
    having(folder, max_cost=10 * MINUTE)
    farm = FakeFarm([render_all])
    killed_while_launching(folder, farm, minutes=10)
    ended, _ = run(folder, farm)
    assert not farm.launched and ended.error and "cost limit" in ended.error.message


def test_a_frame_that_was_rendered_again_was_paid_again(folder: JobFolder) -> None:
    run(folder, FakeFarm([render_all]))
    record = folder.load()
    (record.spec.output / "0002.png").unlink()
    assert summarize(folder).cost_per_frame_usd == pytest.approx(MINUTE / 3), "deleting a frame makes none dearer"
    folder.save(replace(record, status=Status.PENDING))
    ended, _ = run(folder, FakeFarm([render_all]))
    assert ended.cost_usd == pytest.approx(2 * MINUTE)
    assert ended.cost_per_frame_usd == pytest.approx(2 * MINUTE / 4)


def test_the_list_of_jobs_says_both(folder: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    settings = folder.load().spec.settings
    list_jobs(SimpleNamespace(json=True, timing=False), settings)  # type: ignore[arg-type]
    assert json.loads(capsys.readouterr().out)["cost_per_frame_usd"] is None
    run(folder, FakeFarm([render_all]))
    list_jobs(SimpleNamespace(json=True, timing=False), settings)  # type: ignore[arg-type]
    row = json.loads(capsys.readouterr().out)
    assert (row["cost_usd"], row["cost_per_frame_usd"]) == (pytest.approx(MINUTE), pytest.approx(MINUTE / 3))
    list_jobs(SimpleNamespace(json=False, timing=False), settings)  # type: ignore[arg-type]
    assert "$0.0060 ($0.0020 a frame)" in capsys.readouterr().out
