# SPDX-License-Identifier: GPL-3.0-or-later
"""The client is killed (SIGKILL) at every change of a job's status and around every call that changes the account.

For each: the next start brings all frames and leaves the account empty; and with no next start at all, no machine runs
on after the dead-man switch's time. Blender is the fault campaign's fast one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cloudrender_addon.backend.aws.policy import policy_text
from cloudrender_addon.backend.job.status import Status
from tests.campaign import verdict
from tests.campaign.one_job import Death, OneJob, Order, one_job
from tests.cloud.command import wait_for

RENDER = ("--json", "-a", "-s", "1", "-e", "5")
LEASE_SECONDS = 5.0
SWITCH_SECONDS = 30.0
"""Until a machine whose lease of 5 s has run out is gone, on a busy computer."""


def _plainly(job: OneJob) -> None:
    """Every job comes into that status."""


def _by_losing_the_machine(job: OneJob) -> None:
    job.cloud.on_frames(2, job.cloud.kill)


def _by_a_refusal(job: OneJob) -> None:
    job.cloud.faults.api("ImportKeyPair", "UnauthorizedOperation")


def _by_a_cancel(job: OneJob) -> None:
    """Ask for it as soon as there is a machine: later, a quick one may have done all there is."""

    def ask() -> bool:
        next((job.home / "jobs").iterdir()).joinpath("cancel").touch()
        return False

    job.cloud.faults.at_call("CreateFleet", ask, answered=True)


def _by_being_kept(job: OneJob) -> None:
    job.order = replace(job.order, keep_seconds=LEASE_SECONDS)


WAYS: dict[Status, Callable[[OneJob], None]] = {
    Status.PENDING: _plainly,
    Status.PACKING: _plainly,
    Status.PROVISIONING: _plainly,
    Status.BOOTING: _plainly,
    Status.UPLOADING: _plainly,
    Status.RENDERING: _plainly,
    Status.RECOVERING: _by_losing_the_machine,
    Status.CANCELLING: _by_a_cancel,
    Status.CLEANING_UP: _plainly,
    Status.KEPT: _by_being_kept,
    Status.SUCCEEDED: _plainly,
    Status.FAILED: _by_a_refusal,
    Status.CANCELLED: _by_a_cancel,
}
"""How a job comes into each status. The tests go through `Status` itself: one that is not here fails."""

ACTIONS = sorted(
    {
        action.removeprefix("ec2:")
        for statement in json.loads(policy_text())["Statement"]
        for action in statement["Action"]
        if action.startswith("ec2:") and not action.startswith("ec2:Describe") and action != "ec2:CreateTags"
    }
)
"""All that the product can do to an account: what the policy it asks for allows. (CreateTags comes with the others.)"""


@contextmanager
def job_in(folder: Path) -> Iterator[OneJob]:
    order = Order(first=1, count=5, seconds=0.2, lease_seconds=LEASE_SECONDS)
    with one_job(order, folder) as job:
        yield job


def complete(job: OneJob) -> None:
    """Start once more, and see that all is well."""
    job.cloud.faults.clear()
    again = job.run("attach", job.job, "--json") if job.job else job.run(*RENDER)
    assert again.process.returncode == 0, again.said
    if job.job and job.records()[job.job]["status"] == Status.KEPT.value:  # complete, and still there to be looked at
        job.run("cancel", job.job)
    assert verdict.check_frames(job) == set(range(1, 6))
    verdict.check_records_are_closed(job)
    verdict.check_nothing_is_left(job)


def no_machine_stays(job: OneJob) -> None:
    """Wait for the machines to end themselves; what is left then costs nothing, and clean-up ends it."""
    wait_for(lambda: all(m.ended_at for m in job.cloud.machines), "the machines to end", seconds=SWITCH_SECONDS)
    assert job.run("clean-up", "-y").process.returncode == 0
    verdict.check_nothing_is_left(job)


def kill_at(job: OneJob, status: Status) -> None:
    """Let the job come into a status and kill its client there."""
    WAYS[status](job)
    job.start(*RENDER, death=Death(kind="after", value=status.value))
    assert [record["status"] for record in job.records().values()] == [status.value], job.clients[0].said


@pytest.mark.parametrize("status", Status, ids=lambda status: status.name)
def test_the_next_start_completes_the_job(tmp_path: Path, status: Status) -> None:
    with job_in(tmp_path) as job:
        kill_at(job, status)
        complete(job)


@pytest.mark.parametrize("status", Status, ids=lambda status: status.name)
def test_without_a_next_start_nothing_runs_on(tmp_path: Path, status: Status) -> None:
    with job_in(tmp_path) as job:
        kill_at(job, status)
        no_machine_stays(job)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_the_next_start_completes_a_job_killed_around_a_call(tmp_path: Path, action: str, answered: bool) -> None:
    with job_in(tmp_path) as job:
        reached = job.kill_at(action, answered=answered)
        client = job.start(*RENDER)
        code = client.wait()
        assert (code == -9) if reached() else (code == 0), client.said
        complete(job)


def test_a_machine_of_which_the_killed_client_never_heard_is_in_the_cost(tmp_path: Path) -> None:
    with job_in(tmp_path) as job:
        job.kill_at("CreateFleet", answered=True)
        assert job.start(*RENDER).wait() == -9 and len(job.cloud.machines) == 1
        [record] = job.records().values()
        assert record["machine"]["instance_id"] is None and record["spent_usd"] == 0.0
        complete(job)
        [record], machines = job.records().values(), job.cloud.machines
        assert len(machines) == 2
        seconds = sum(max((m.ended_at or 0.0) - m.launched_at, 60.0) for m in machines)  # a minute each at least
        hourly_usd = _hourly_usd(job)
        assert record["spent_usd"] == pytest.approx(hourly_usd * seconds / 3600, rel=0.1)


def _hourly_usd(job: OneJob) -> float:
    """Return what a machine costs, as the last client told."""
    lines = job.clients[-1].out.read_text(encoding="utf-8").splitlines()
    [offer] = next(json.loads(line) for line in lines if '"machine_launched"' in line)["machine"]["offers"]
    return float(offer["machine_usd"] + offer["disk_usd"] + offer["address_usd"])


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_without_a_next_start_nothing_runs_on_after_a_launch(tmp_path: Path, answered: bool) -> None:
    with job_in(tmp_path) as job:
        reached = [job.kill_at(action, answered=answered) for action in ("RunInstances", "CreateFleet")]
        job.start(*RENDER).wait()
        assert any(each() for each in reached) and len(job.cloud.machines) == answered
        no_machine_stays(job)
