# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that takes over the machine another one kept: when it may, and what each pays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import (
    CapacityError,
    LinkError,
    MachineError,
    MachineGoneError,
    ProjectError,
    RecordError,
)
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job import taking_over
from cloudrender_addon.backend.job.handing_over import as_it_stands
from cloudrender_addon.backend.job.record import JobRecord
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.summary import summarize
from tests.unit.fakes import FakeFarm, frame_event, render_all
from tests.unit.kept_machines import FRAMES, MINUTE, Place, notices, taken
from tests.unit.one_job import statuses


def test_the_next_job_renders_on_the_machine_that_was_kept(place: Place) -> None:
    first = place.kept()
    second = place.job("2", max_hours=2, lease_minutes=20)
    ended, events = place.run(second)
    assert ended.status is Status.SUCCEEDED and ended.frames == FRAMES
    assert len(place.farm.launched) == 1 and place.farm.running == {} and taken(events) == [first.job_id]
    assert statuses(events) == [
        Status.PACKING, Status.PROVISIONING, Status.UPLOADING, Status.RENDERING, Status.CLEANING_UP, Status.SUCCEEDED,
    ]  # fmt: skip
    assert place.farm.extended == {"i-0": (pytest.approx(7200, abs=5), 1200)}
    assert second.load().launches == 0 and place.farm.adopted == [place.farm.launched[0].request.token]


def test_the_record_of_the_job_that_kept_it_is_closed(place: Place) -> None:
    first = place.kept()
    second = place.job("2")
    place.run(second)
    record, summary = first.load(), summarize(first)
    assert (record.status, record.machine, record.error) == (Status.SUCCEEDED, None, "") and record.ended
    assert not list(first.keys.iterdir()) and not summary.open and summary.kept_until is None
    assert summary.machine_went_to == second.job_id
    first.forget()


def test_the_machine_of_a_job_that_failed_stays_to_be_looked_at(place: Place) -> None:
    def fail(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        yield {"event": "failed", "kind": "blender", "message": "no way", "hint": "do this", "log": []}

    place.farm.scripts = [fail]
    first = place.kept()
    place.farm.scripts = [render_all]
    ended, events = place.run(place.job("2"))
    assert ended.status is Status.SUCCEEDED and len(place.farm.launched) == 2 and taken(events) == []
    assert (first.load().status, first.load().error) == (Status.KEPT, "no way")


def test_each_pays_its_part_of_the_machine_and_none_twice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = place.kept()
    second = place.job("2")
    began = time.time()

    def later() -> float:  # ten minutes pass while the second job renders
        return time.time() + (600 if place.farm.extended else 0)

    for module in ("renting", "limits", "runner"):
        monkeypatch.setattr(f"cloudrender_addon.backend.job.{module}.now", later)
    ended, _ = place.run(second)
    assert first.load().spent_usd == pytest.approx(10 * MINUTE, rel=0.01)
    assert ended.cost_usd == second.load().spent_usd == pytest.approx(10 * MINUTE, rel=0.01)
    assert first.load().ended == pytest.approx(began, abs=5)


def test_the_first_minute_is_paid_once(place: Place) -> None:
    """A machine that is handed over within the minute that is billed at least."""
    first = place.job("1", keep_minutes=30)
    place.run(first)
    second = place.job("2")
    place.run(second)
    assert first.load().spent_usd == pytest.approx(MINUTE) and second.load().spent_usd == 0


def test_a_third_job_takes_it_from_the_second(place: Place) -> None:
    first, second, third = place.kept(), place.job("2", keep_minutes=10), place.job("3")
    assert place.run(second)[0].kept
    assert taken(place.run(third)[1]) == [second.job_id]
    assert [folder.load().status for folder in (first, second, third)] == [Status.SUCCEEDED] * 3
    assert summarize(second).machine_went_to == third.job_id and place.farm.running == {}
    assert len(place.farm.launched) == 1


def test_a_job_does_not_take_back_what_it_gave(place: Place) -> None:
    """Else nobody could tell whose it is after a crash."""
    first, second = place.kept(), place.job("2", keep_minutes=10)
    assert place.run(second)[0].kept
    record = first.load()
    (record.spec.output / "0001.png").unlink()
    first.save(replace(record, status=Status.PENDING, spec=with_settings(record, keep_minutes=0.0)))
    ended, events = place.run(first)
    assert ended.status is Status.SUCCEEDED and not taken(events) and len(place.farm.launched) == 2
    assert second.load().status is Status.KEPT and list(place.farm.running) == ["i-0"]


def with_settings(record: JobRecord, **changes: Any) -> JobSpec:
    return replace(record.spec, settings=replace(record.spec.settings, **changes))


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [
        ({}, {"fresh_machine": True}),
        ({}, {"profile": "other"}),
        ({}, {"region": "eu-central-1,eu-west-1"}),
        ({}, {"instance_type": "g5.xlarge,g6.xlarge"}),
        ({}, {"image": "ami-2"}),
        ({}, {"subnet": "subnet-1"}),
        ({}, {"security_group": "sg-1"}),
        ({}, {"ssh_user": "other"}),
        ({}, {"purchase": "on-demand"}),
        ({"purchase": "on-demand"}, {"purchase": "spot"}),
        ({"keep_minutes": 0.5}, {}),
        ({"max_hours": 0.24}, {}),  # of which ten minutes are over
        ({}, {"max_cost": MINUTE / 2}),
    ],
)
def test_a_machine_that_does_not_suit_is_left_alone(place: Place, kept: dict[str, Any], wanted: dict[str, Any]) -> None:
    first = place.kept(**kept)
    before = first.load()
    _, events = place.run(place.job("2", **wanted))
    assert not taken(events) and first.load() == before and "i-0" in place.farm.running and not place.farm.adopted


@pytest.mark.parametrize(
    ("kept", "wanted"),
    [
        ({}, {"region": "eu-west-1,us-east-1"}),
        ({}, {"instance_type": "g5.xlarge,g4dn.xlarge"}),
        ({}, {"purchase": "spot-then-on-demand"}),
        ({"purchase": "on-demand"}, {"purchase": "spot-then-on-demand"}),
        ({}, {"max_launches": 1, "max_cost": 5 * MINUTE}),
    ],
)
def test_one_that_the_job_might_have_rented_suits(place: Place, kept: dict[str, Any], wanted: dict[str, Any]) -> None:
    first = place.kept(**kept)
    ended, events = place.run(place.job("2", **wanted))
    assert taken(events) == [first.job_id] and ended.status is Status.SUCCEEDED and place.farm.running == {}


def test_the_machine_never_lives_longer_than_the_job_may_cost_nor_than_its_lifetime(place: Place) -> None:
    place.kept(max_hours=3)
    place.run(place.job("2", max_cost=10 * MINUTE, keep_minutes=30))
    assert place.farm.extended["i-0"][0] == pytest.approx(600, abs=5)
    place.run(place.job("3", max_hours=100))
    assert place.farm.extended["i-0"][0] == pytest.approx(3 * 3600 - 600, abs=5)


def test_of_several_the_newest_of_the_same_project_is_taken(place: Place) -> None:
    of_project, elsewhere = place.kept("1"), place.kept("2", fresh_machine=True)
    record = elsewhere.load()
    elsewhere.save(replace(record, spec=replace(record.spec, project=place.home / "another")))
    assert taken(place.run(place.job("3", keep_minutes=30))[1]) == [of_project.job_id]
    assert taken(place.run(place.job("4"))[1]) == ["20260101-000003-abcd"]
    assert taken(place.run(place.job("5"))[1]) == [elsewhere.job_id] and place.farm.running == {}


def test_somebody_who_only_looks_is_waited_for(place: Place) -> None:
    first = place.kept()
    looking = threading.Event()

    def look() -> None:
        with first.lock():
            looking.set()
            time.sleep(0.3)

    thread = threading.Thread(target=look)
    thread.start()
    looking.wait()
    assert taken(place.run(place.job("2"))[1]) == [first.job_id]
    thread.join()


def test_one_that_somebody_holds_or_wants_to_end_is_left_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking_over, "_LOOK_SECONDS", 0.2)
    first = place.kept()
    with first.lock():
        assert not taken(place.run(place.job("2"))[1])
    first.request_cancel()
    assert not taken(place.run(place.job("3"))[1])
    assert first.load().status is Status.KEPT and list(place.farm.running) == ["i-0"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda farm: setattr(farm, "begin_error", MachineError("It failed", details=("still rendering",))),
        lambda farm: setattr(farm, "begin_error", LinkError("cut")),
        lambda farm: setattr(farm, "adopt_error", RecordError("no key")),
        lambda farm: farm.running.clear(),
    ],
    ids=["busy", "cut", "no key", "gone"],
)
def test_a_machine_that_cannot_be_had_stays_kept_and_another_is_rented(
    place: Place, spoil: Callable[[FakeFarm], None]
) -> None:
    first, second = place.kept(), place.job("2")
    before = first.load()
    spoil(place.farm)
    ended, events = place.run(second)
    assert ended.status is Status.SUCCEEDED and len(place.farm.launched) == 2 and not taken(events)
    assert f"The machine kept by job {first.job_id} is not used: " in notices(events)
    assert first.load() == before and not second.load().taken and not place.farm.adopted and not place.farm.extended


def test_one_whose_disk_is_too_small_is_replaced(place: Place) -> None:
    first, second = place.kept(), place.job("2", max_launches=1)
    place.farm.push_error = MachineError("The machine's disk is too small")

    def roomy() -> None:
        place.farm.push_error = None

    place.farm.on_launch = roomy
    ended, events = place.run(second)
    assert ended.status is Status.SUCCEEDED and place.farm.running == {} and len(place.farm.launched) == 2
    assert taken(events) == [first.job_id]
    [lost] = [event for event in events if isinstance(event, ev.Interrupted)]
    assert "disk is too small" in lost.reason


def test_the_disk_of_a_rented_one_is_told_as_ever(place: Place) -> None:
    place.farm.push_error = MachineError("The machine's disk is too small")
    ended, _ = place.run(place.job("1"))
    assert ended.status is Status.FAILED and len(place.farm.launched) == 1


def test_a_project_that_cannot_be_read_is_no_reason_to_empty_a_machine(place: Place) -> None:
    first = place.kept()

    def unreadable() -> Bundle:
        raise ProjectError("no")

    place.bundle = unreadable
    place.farm.on_call = lambda _name: pytest.fail("it was asked")
    ended, _ = place.run(place.job("2"))
    assert isinstance(ended.error, ProjectError) and first.load().status is Status.KEPT


def test_cancelling_in_the_middle_leaves_it_kept(place: Place) -> None:
    first, second, cancel = place.kept(), place.job("2"), CancelToken()
    place.farm.on_call = lambda _name: cancel.cancel()
    ended, _ = place.run(second, cancel)
    assert ended.status is Status.CANCELLED and first.load().status is Status.KEPT and not place.farm.adopted
    assert list(place.farm.running) == ["i-0"]


def test_one_that_is_lost_later_is_replaced_by_a_rented_one(place: Place) -> None:
    def lost(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        yield MachineGoneError("taken back")

    first, second = place.kept(), place.job("2", max_launches=1)
    place.farm.scripts = [lost, render_all]
    ended, events = place.run(second)
    assert taken(events) == [first.job_id] and ended.status is Status.SUCCEEDED and len(place.farm.launched) == 2
    assert place.farm.running == {} and ended.frames == FRAMES


def test_a_record_that_cannot_be_written_leaves_it_kept(place: Place) -> None:
    first, second = place.kept(), place.job("2")

    def full(_name: str) -> None:
        (second.path / "record.json.part").mkdir()

    place.farm.on_call = full
    ended, _ = place.run(second)
    assert ended.status is Status.FAILED and isinstance(ended.error, RecordError)
    assert first.load().status is Status.KEPT and list(place.farm.running) == ["i-0"] and not place.farm.adopted


def test_a_damaged_record_beside_it_takes_nothing(place: Place) -> None:
    first, broken = place.kept(), place.job("9")
    (broken.path / "record.json").write_text("{")
    assert as_it_stands(first, first.load()).status is Status.KEPT


def test_no_machine_anywhere_is_said_as_ever(place: Place) -> None:
    place.farm.launch_error = CapacityError("none to be had")
    ended, _ = place.run(place.job("2"))
    assert isinstance(ended.error, CapacityError)
