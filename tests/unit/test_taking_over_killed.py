# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that is killed while one job takes over the machine of another, at every step."""

from __future__ import annotations

import io
from typing import Any

import pytest

from cloudrender_addon.backend.errors import (
    RecordError,
)
from cloudrender_addon.backend.farms.base import Machine
from cloudrender_addon.backend.job import handing_over
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.handing_over import as_it_stands, load_settled
from cloudrender_addon.backend.job.record import JobRecord
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.summary import summarize
from cloudrender_addon.cli import jobs
from cloudrender_addon.cli.display import LineDisplay
from tests.unit.kept_machines import MINUTE, Place, taken
from tests.unit.one_job import Killed


def die_at_begin(place: Place, _monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(name: str) -> None:
        if name == "begin":
            raise Killed

    place.farm.on_call = dies


def die_before_the_record(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    save = JobFolder.save

    def dies(folder: JobFolder, record: JobRecord) -> None:
        if record.taken:
            raise Killed
        save(folder, record)

    monkeypatch.setattr(JobFolder, "save", dies)


def die_after_the_record(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    save = JobFolder.save

    def dies(folder: JobFolder, record: JobRecord) -> None:
        save(folder, record)
        if record.taken:
            raise Killed

    monkeypatch.setattr(JobFolder, "save", dies)


def die_before_the_keys_are_forgotten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(_folder: JobFolder) -> None:
        raise Killed

    monkeypatch.setattr(JobFolder, "forget_keys", dies)


def die_at_extend(place: Place, _monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(name: str) -> None:
        if name == "extend":
            raise Killed

    place.farm.on_call = dies


DEATHS = [
    die_at_begin,
    die_before_the_record,
    die_after_the_record,
    die_before_the_keys_are_forgotten,
    die_at_extend,
]
BEFORE = DEATHS[:2]


@pytest.fixture(params=DEATHS, ids=lambda death: death.__name__)
def death(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def crashed(place: Place, death: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[JobFolder, JobFolder]:
    """Return the two jobs of a hand-over in which the client was killed."""
    first, second = place.kept(), place.job("2")
    with monkeypatch.context() as patch:
        death(place, patch)
        with pytest.raises(Killed):
            place.run(second)
    place.farm.on_call = lambda _name: None
    return first, second


def machines(*folders: JobFolder) -> list[Machine]:
    records = [as_it_stands(folder, folder.load()) for folder in folders]
    return [record.machine for record in records if record.machine]


def test_the_machine_is_one_jobs_at_every_moment(
    place: Place, crashed: tuple[JobFolder, JobFolder], death: Any
) -> None:
    first, second = crashed
    assert [machine.instance_id for machine in machines(first, second)] == ["i-0"]
    spent = [summarize(folder).cost_usd for folder in crashed]
    assert sum(spent) == pytest.approx(10 * MINUTE, rel=0.02)
    assert (summarize(first).machine_went_to == second.job_id) == (death not in BEFORE)
    kept_until = summarize(first).kept_until
    assert (kept_until is None) == (death not in BEFORE)
    if kept_until is None:  # nobody has told the machine that it may live longer, or its client was there
        assert summarize(second).left_half_way


def test_the_next_start_of_the_second_job_completes_it(
    place: Place, crashed: tuple[JobFolder, JobFolder], death: Any
) -> None:
    first, second = crashed
    ended, events = place.run(second)
    assert ended.status is Status.SUCCEEDED and place.farm.running == {} and len(place.farm.launched) == 1
    assert taken(events) == ([first.job_id] if death in BEFORE else [])
    with first.lock():
        assert load_settled(first).status is Status.SUCCEEDED
    assert place.farm.extended and not machines(first, second)


def test_if_the_machine_ended_meanwhile_the_second_job_rents_one(
    place: Place, crashed: tuple[JobFolder, JobFolder]
) -> None:
    _, second = crashed
    place.farm.running.clear()
    ended, _ = place.run(second)
    assert ended.status is Status.SUCCEEDED and place.farm.running == {} and len(place.farm.launched) == 2


def test_whoever_cancels_the_first_job_ends_only_what_is_its_own(
    place: Place, crashed: tuple[JobFolder, JobFolder], death: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = crashed
    monkeypatch.setattr(jobs, "farm_of", lambda *_: place.farm)
    jobs.drive_folder(first, LineDisplay(io.StringIO()))  # leaves it, as all of its frames are here
    first.request_cancel()
    with first.lock():
        record = load_settled(first)
    if record.open:
        place.run(first)
    assert list(place.farm.running) == ([] if death in BEFORE else ["i-0"])
    assert first.load().status is Status.SUCCEEDED and first.load().machine is None
    if death not in BEFORE:
        assert place.run(second)[0].status is Status.SUCCEEDED and len(place.farm.launched) == 1


def test_the_list_and_the_next_start_tell_of_the_right_job(
    place: Place, crashed: tuple[JobFolder, JobFolder], death: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = crashed
    monkeypatch.setattr(jobs, "farm_of", lambda *_: place.farm)
    out = io.StringIO()
    jobs.tidy_open_jobs(place.store, LineDisplay(out))
    assert (f"The machine of job {first.job_id} is kept" in out.getvalue()) == (death in BEFORE)
    assert f"Job {second.job_id} was left half-way" in out.getvalue()
    assert (first.load().status is Status.KEPT) == (death in BEFORE) and list(place.farm.running) == ["i-0"]


def test_what_was_ended_by_the_first_jobs_tag_closes_the_second_job(
    place: Place, crashed: tuple[JobFolder, JobFolder], death: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As clean-up does, which knows only what the machine is tagged with."""
    first, second = crashed
    monkeypatch.setattr(jobs, "farm_of", lambda *_: place.farm)
    place.farm.running.clear()
    jobs.tidy_open_jobs(place.store, LineDisplay(io.StringIO()), ended={first.job_id})
    assert not machines(first, second) and not first.load().open
    assert (second.load().status is Status.CANCELLED) == (death not in BEFORE)


def test_a_first_record_that_cannot_be_closed_does_not_stop_the_second_job(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = place.kept(), place.job("2")
    forget = JobFolder.save

    def full(folder: JobFolder, record: JobRecord) -> None:
        if folder.job_id == first.job_id:
            raise RecordError("full")
        forget(folder, record)

    with monkeypatch.context() as patch:
        patch.setattr(handing_over.JobFolder, "save", full)
        assert place.run(second)[0].status is Status.SUCCEEDED
    assert first.load().status is Status.KEPT and summarize(first).status is Status.SUCCEEDED
    with first.lock():
        assert load_settled(first).given
