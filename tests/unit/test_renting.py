# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a machine comes from when there is none at the first try: the next region, later, on-demand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import (
    AccountError,
    CapacityError,
    CloudrenderError,
    ConfigError,
    MachineGoneError,
    NotOfferedError,
    QuotaError,
    UnreachableError,
)
from cloudrender_addon.backend.farms.base import Machine, MachineRequest
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job import renting
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.status import Status
from tests.unit.fakes import FakeFarm, frame_event, render_all
from tests.unit.one_job import run
from tests.unit.test_limits_and_purchase import having

NONE_FREE = CapacityError("None is free", hint="try another type")
NO_QUOTA = QuotaError("The quota is 0", hint="ask for more")
RECLAIMED = MachineGoneError("taken back", reclaimed=True)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renting, "_FIRST_PAUSE", 0.01)


def refusing(farm: FakeFarm, why: Callable[[MachineRequest, int], CloudrenderError | None]) -> FakeFarm:
    """Let launches be refused: `why` gets the request and how many launches were asked before."""
    launch, asked = farm.launch, iter(range(1000))

    def launch_or_not(machine: Machine) -> Machine:
        if error := why(machine.request, next(asked)):
            raise error
        return launch(machine)

    farm.launch = launch_or_not  # type: ignore[method-assign]
    return farm


def said(events: list[ev.Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, ev.Notice)]


def test_all_types_are_asked_for_at_once(folder: JobFolder) -> None:
    having(folder, instance_type="g6.xlarge,g5.xlarge")
    farm = FakeFarm([render_all])
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED
    assert [request.instance_types for request in farm.planned] == [("g6.xlarge", "g5.xlarge")]


def test_it_asks_again_until_there_is_one(folder: JobFolder) -> None:
    having(folder, wait_minutes=1)
    farm = refusing(FakeFarm([render_all]), lambda _, asked: NONE_FREE if asked < 3 else None)
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 1
    assert len({request.token for request in farm.planned}) == 4  # the same token would get the same answer
    again = [text for text in said(events) if text.startswith("None is free; asking again for up to ")]
    assert len(again) == 3 and re.fullmatch(r"(1:00|0:[345]\d)", again[0].rsplit(" ", 1)[1]), again
    assert folder.load().launches == 1


def test_waiting_ends_with_what_the_cloud_said(folder: JobFolder) -> None:
    having(folder, wait_minutes=0.001)
    ended, _ = run(folder, refusing(FakeFarm([render_all]), lambda *_: NONE_FREE))
    assert ended.status is Status.FAILED and ended.error is NONE_FREE
    assert folder.load().machine is None


def test_waiting_hears_cancel(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    having(folder, wait_minutes=60)
    monkeypatch.setattr(renting, "_FIRST_PAUSE", 600.0)
    cancel = CancelToken()

    def why(_request: MachineRequest, _asked: int) -> CloudrenderError:
        cancel.cancel()
        return NONE_FREE

    ended, _ = run(folder, refusing(FakeFarm([render_all]), why), cancel)
    assert ended.status is Status.CANCELLED


def test_waiting_ends_at_the_time_limit(folder: JobFolder) -> None:
    having(folder, wait_minutes=60, max_hours=0.0001)
    ended, _ = run(folder, refusing(FakeFarm([render_all]), lambda *_: NONE_FREE))
    assert ended.status is Status.FAILED and "time limit" in str(ended.error)


@pytest.mark.parametrize("error", [NO_QUOTA, NotOfferedError("not sold here")])
def test_what_time_does_not_heal_is_not_waited_for(folder: JobFolder, error: CloudrenderError) -> None:
    having(folder, wait_minutes=60)
    farm = refusing(FakeFarm([render_all]), lambda *_: error)
    ended, _ = run(folder, farm)
    assert ended.error is error and len(farm.planned) == 1


@pytest.mark.parametrize(
    "error", [NONE_FREE, NO_QUOTA, ConfigError("no such type here"), AccountError("not switched on")]
)
def test_next_region_on_the_list(folder: JobFolder, error: CloudrenderError) -> None:
    having(folder, region="eu-central-1,eu-west-1,us-east-1")
    here = ("eu-central-1", "eu-west-1")
    farm = refusing(FakeFarm([render_all]), lambda request, _: error if request.region in here else None)
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED
    assert [request.region for request in farm.planned] == [*here, "us-east-1"]
    assert [machine.region for machine in farm.launched] == ["us-east-1"]
    assert f"eu-central-1: {error.message}" in said(events)


def test_regions_that_can_never_give_one_are_no_reason_to_stop_asking_the_other(folder: JobFolder) -> None:
    having(folder, region="eu-central-1,eu-west-1", wait_minutes=0.001)
    farm = FakeFarm([render_all])
    refusing(farm, lambda request, _: NO_QUOTA if request.region == "eu-central-1" else NONE_FREE)
    ended, _ = run(folder, farm)
    assert ended.error is NONE_FREE


@pytest.mark.parametrize("error", [NONE_FREE, NO_QUOTA])
def test_on_demand_where_no_region_has_a_spot_machine(folder: JobFolder, error: CloudrenderError) -> None:
    having(folder, purchase="spot-then-on-demand", region="eu-central-1,eu-west-1", wait_minutes=60)
    farm = refusing(FakeFarm([render_all]), lambda request, _: None if request.on_demand else error)
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and farm.launched[0].request.on_demand
    assert [request.region for request in farm.planned] == ["eu-central-1", "eu-west-1", "eu-central-1"]
    assert f"{error.message}: renting an on-demand machine instead" in said(events)


def dear(farm: FakeFarm, where: Callable[[MachineRequest], bool]) -> FakeFarm:
    """Let machines that are asked for like that cost a hundred dollars an hour."""
    plan = farm.plan

    def plan_dear(request: MachineRequest) -> Machine:
        machine = plan(request)
        usd = 100.0 if where(request) else 0.36
        return replace(machine, offers=tuple(replace(offer, machine_usd=usd) for offer in machine.offers))

    farm.plan = plan_dear  # type: ignore[method-assign]
    return farm


def test_types_that_are_left_out_are_named_once(folder: JobFolder) -> None:
    having(folder, instance_type="g6.xlarge,p5.48xlarge,g5.xlarge", wait_minutes=60, max_cost=1.0)
    farm = refusing(FakeFarm([render_all]), lambda _, asked: NONE_FREE if asked < 2 else None)
    plan = farm.plan

    def plan_some(request: MachineRequest) -> Machine:
        machine = plan(request)
        g6, p5, _ = machine.offers
        return replace(machine, offers=(g6, replace(p5, machine_usd=100.0)))

    farm.plan = plan_some  # type: ignore[method-assign]
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.planned) == 3
    assert [text for text in said(events) if "Left out" in text] == [
        "Left out: g5.xlarge (not sold as spot in us-east-1)",
        "Left out: p5.48xlarge (too dear in us-east-1 for the cost limit)",
    ]


def test_on_demand_that_is_too_dear_does_not_end_the_wait_for_spot(folder: JobFolder) -> None:
    having(folder, purchase="spot-then-on-demand", wait_minutes=60, max_cost=1.0)
    farm = refusing(FakeFarm([render_all]), lambda _, asked: NONE_FREE if asked < 2 else None)
    ended, _ = run(folder, dear(farm, lambda request: request.on_demand))
    assert ended.status is Status.SUCCEEDED
    assert [request.on_demand for request in farm.planned] == [False, True, False, True, False]


def test_region_that_is_too_dear_is_no_reason_not_to_ask_the_next(folder: JobFolder) -> None:
    having(folder, region="eu-central-1,us-east-1", max_cost=1.0)
    farm = dear(FakeFarm([render_all]), lambda request: request.region == "eu-central-1")
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and farm.launched[0].region == "us-east-1"


def test_all_that_is_allowed_is_asked_for_again(folder: JobFolder) -> None:
    having(folder, purchase="spot-then-on-demand", wait_minutes=60)
    farm = refusing(FakeFarm([render_all]), lambda request, asked: NONE_FREE if asked < 4 else None)
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED
    assert [request.on_demand for request in farm.planned] == [False, True, False, True, False]


def test_who_is_offline_at_the_start_is_told_at_once(folder: JobFolder) -> None:
    having(folder, wait_minutes=60)
    offline = UnreachableError("no network")
    ended, _ = run(folder, refusing(FakeFarm([render_all]), lambda *_: offline))
    assert ended.error is offline


def test_who_is_offline_later_is_waited_for(folder: JobFolder) -> None:
    having(folder, wait_minutes=60)
    farm = FakeFarm([lambda plan: iter([frame_event(1), RECLAIMED]), render_all])
    refusing(farm, lambda _, asked: UnreachableError("no network") if asked in (1, 2) else None)
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 2


def test_who_goes_offline_while_a_machine_is_asked_for_waits_and_rents_no_second_one(folder: JobFolder) -> None:
    having(folder, wait_minutes=60)
    farm = FakeFarm([render_all])
    launch, release, offline = farm.launch, farm.release, [True, True]

    def answer_is_lost(machine: Machine) -> Machine:
        launched = launch(machine)
        if len(farm.launched) == 1:
            raise UnreachableError("no network")
        return launched

    def released(machine: Machine) -> tuple[Machine, ...]:
        if offline:
            offline.pop()
            raise UnreachableError("no network")
        assert len(farm.running) <= 1
        farm.running.clear()  # found by its tags
        return release(machine)

    farm.launch, farm.release = answer_is_lost, released  # type: ignore[method-assign]
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 2
    assert len([text for text in said(events) if "no network; asking again" in text]) == 2


def test_region_that_cannot_be_reached_is_no_reason_not_to_ask_the_next(folder: JobFolder) -> None:
    having(folder, region="eu-central-1,eu-west-1")
    farm = FakeFarm([render_all])
    refusing(farm, lambda request, _: UnreachableError("down") if request.region == "eu-central-1" else None)
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and farm.launched[0].region == "eu-west-1"


def test_next_machine_is_looked_for_elsewhere(folder: JobFolder) -> None:
    farm = FakeFarm([lambda plan: iter([frame_event(1), RECLAIMED]), render_all])
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED
    assert [request.avoid for request in farm.planned] == [(), (("g4dn.xlarge", "us-east-1a"),)]
    assert [request.blender for request in farm.planned] == [folder.load().spec.blender] * 2, (
        "for the image it begins with"
    )
    assert folder.load().reclaimed == (("g4dn.xlarge", "us-east-1a"),)


def test_machine_that_went_for_another_reason_is_no_reason_to_go_elsewhere(folder: JobFolder) -> None:
    farm = FakeFarm([lambda plan: iter([frame_event(1), MachineGoneError("hung")]), render_all])
    run(folder, farm)
    assert [request.avoid for request in farm.planned] == [(), ()]


def always_reclaimed(plan: RenderPlan) -> Iterator[Any]:
    yield frame_event(plan.frames[0])
    yield RECLAIMED


def test_no_more_machines_than_allowed(folder: JobFolder) -> None:
    having(folder, max_launches=2)
    farm = FakeFarm([always_reclaimed])
    ended, _ = run(folder, farm)
    assert ended.status is Status.FAILED and len(farm.launched) == 2
    assert ended.frames == (1, 2) and ended.missing == (3,)
    assert "max launches" in (ended.error.hint if ended.error else "")


def test_last_machine_is_on_demand_where_that_is_allowed(folder: JobFolder) -> None:
    having(folder, max_launches=3, purchase="spot-then-on-demand")
    farm = FakeFarm([always_reclaimed, always_reclaimed, render_all])
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED
    assert [machine.request.on_demand for machine in farm.launched] == [False, False, True]


def test_last_machine_is_spot_after_all_where_there_is_none_on_demand(folder: JobFolder) -> None:
    having(folder, max_launches=2, purchase="spot-then-on-demand")
    farm = FakeFarm([always_reclaimed, render_all])
    refusing(farm, lambda request, _: NO_QUOTA if request.on_demand else None)
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED
    assert [request.on_demand for request in farm.planned] == [False, True, False]
    assert f"{NO_QUOTA.message}: renting a spot machine instead" in said(events)
