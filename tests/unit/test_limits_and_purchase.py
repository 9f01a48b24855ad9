"""What a job may cost, and how its machines are bought."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudrender_addon.backend.errors import CapacityError, CloudrenderError, MachineGoneError, RenderError
from cloudrender_addon.backend.farms.base import Machine
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.status import Status
from tests.unit.fakes import FakeFarm, frame_event, render_all
from tests.unit.one_job import run

HOURLY = 0.36  # of the farm in memory


def having(folder: JobFolder, **settings: Any) -> None:
    record = folder.load()
    folder.save(replace(record, spec=replace(record.spec, settings=replace(record.spec.settings, **settings))))


def test_the_machine_is_told_how_long_the_money_lasts(folder: JobFolder) -> None:
    having(folder, max_cost=HOURLY / 2)
    farm = FakeFarm([render_all])
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED
    assert farm.launched[0].offer.lifetime_seconds == pytest.approx(1800, abs=2)


def test_a_job_ends_at_its_cost_limit_with_the_frames_it_has(folder: JobFolder) -> None:
    having(folder, max_cost=HOURLY)

    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        yield None
        yield frame_event(2)
        yield frame_event(3)
        yield {"event": "finished"}

    farm = FakeFarm([script])
    launch = farm.launch
    # As if an hour and a second had passed when the first frame is here.
    farm.launch = lambda machine: replace(launch(machine), launched_at=time.time() - 3601)  # type: ignore[method-assign]
    ended, _ = run(folder, farm)
    assert ended.status is Status.FAILED and isinstance(ended.error, RenderError)
    assert ended.error.message == "The job reached its cost limit of $0.36"
    assert not farm.running


def test_no_machine_is_rented_for_money_that_does_not_last_a_minute(folder: JobFolder) -> None:
    having(folder, max_cost=HOURLY / 60)
    farm = FakeFarm([render_all])
    ended, _ = run(folder, farm)
    assert ended.status is Status.FAILED and "cost limit" in str(ended.error)
    assert not farm.launched


def test_what_earlier_machines_cost_counts(folder: JobFolder) -> None:
    having(folder, max_cost=HOURLY / 60 * 2.5)
    dies = MachineGoneError("reclaimed")
    farm = FakeFarm([lambda plan: iter([frame_event(1), dies])])
    ended, _ = run(folder, farm)
    # A minute is the least that is billed: after two machines the rest does not last for a third.
    assert len(farm.launched) == 2 and "cost limit" in str(ended.error)
    assert ended.frames == (1,)


@pytest.mark.parametrize(("purchase", "bought"), [("spot", []), ("spot-then-on-demand", [True]), ("on-demand", [True])])
def test_on_demand_where_no_spot_machine_is_to_be_had_and_the_user_allows_it(
    folder: JobFolder, purchase: str, bought: list[bool]
) -> None:
    having(folder, purchase=purchase)
    farm = FakeFarm([render_all])
    launch = farm.launch

    def no_spot(machine: Machine) -> Machine:
        if not machine.request.on_demand:
            raise CapacityError("No spot machine is to be had", hint="try another type")
        return launch(machine)

    farm.launch = no_spot  # type: ignore[method-assign]
    ended, events = run(folder, farm)
    assert [machine.request.on_demand for machine in farm.launched] == bought
    assert ended.status is (Status.SUCCEEDED if bought else Status.FAILED)
    said = [event.text for event in events if isinstance(event, ev.Notice)]
    fell_back = "No spot machine is to be had: renting an on-demand machine instead"
    assert (fell_back in said) == (purchase == "spot-then-on-demand")
    assert folder.load().machine is None


def test_a_spot_price_out_of_reach_is_no_reason_to_buy_otherwise(folder: JobFolder) -> None:
    having(folder, purchase="spot-then-on-demand")
    farm = FakeFarm([render_all], launch_error=CloudrenderError("something else"))
    ended, _ = run(folder, farm)
    assert str(ended.error) == "something else" and not farm.launched


@pytest.mark.parametrize("jump", [-90_000.0, 90_000.0])
@pytest.mark.parametrize("limit", [{"max_hours": 1.0}, {"max_cost": HOURLY}])
def test_setting_the_clock_of_this_computer_neither_ends_a_job_nor_bills_it(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch, limit: dict[str, float], jump: float
) -> None:
    having(folder, **limit)
    real = time.time

    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        yield None
        yield frame_event(2)
        yield frame_event(3)
        yield {"event": "finished"}

    ended, _ = run(folder, FakeFarm([script]))
    assert ended.status is Status.SUCCEEDED, ended.error
    assert ended.cost_usd == pytest.approx(HOURLY / 60)
