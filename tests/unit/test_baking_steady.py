# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe over a connection that breaks: what is run again, what is enough, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.baking import steady
from cloudrender_addon.backend.baking.recipe import CLEAN, Recipe
from cloudrender_addon.backend.baking.said import Baked, Said
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import (
    Cancelled,
    GpuError,
    LinkError,
    MachineError,
    MachineGoneError,
    UnreachableError,
)
from cloudrender_addon.backend.farms.base import Machine, MachineRequest, MachineState, MachineStatus
from tests.unit.fakes import FakeFarm, FakeLink

BROKEN = LinkError("The connection to the machine broke: reset")
REFUSED = LinkError("it did not answer", refused=True)
ALL = ("::fact device CPU", "::fact blender 4.2.23", "::fact finished yes")

Step = str | Exception


@dataclass
class Machinery:
    """A machine on which each run of a script says its lines, or ends in an error, as the list tells."""

    runs: list[list[Step]]
    ran: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    on_run: Callable[[], None] = lambda: None
    cancel: CancelToken = field(default_factory=CancelToken)

    def run(self, recipe: Recipe, script: str, *, said: Said, cancel: CancelToken, **_: Any) -> None:
        cancel.check()
        self.ran.append(script)
        self.on_run()
        for step in self.runs.pop(0):
            if isinstance(step, Exception):
                raise step
            said.hear(step)

    def bake(self, farm: FakeFarm, recipe: Recipe | None = None) -> Baked:
        recipe = recipe or Recipe.to_make(kind="cpu", mirror="m", blender=("4.2",))
        return steady.run_recipe(
            recipe,
            machine=a_machine(farm),
            farm=farm,
            key_file=Path("key"),
            say=self.said.append,
            cancel=self.cancel,
            run=self.run,
        )


def a_machine(farm: FakeFarm) -> Machine:
    request = MachineRequest(
        job_id="image-1",
        token="image-1-a",
        instance_types=("c7i.large",),
        region="us-east-1",
        disk_bytes=1,
        lifetime_seconds=60,
        lease_seconds=60,
        on_demand=True,
    )
    return farm.launch(farm.plan(request))


@dataclass
class Deaf(FakeFarm):
    """A machine that runs, as the cloud says, and answers to each try to connect in the next way."""

    answers: list[LinkError | None] = field(default_factory=list)
    statuses: list[MachineStatus | UnreachableError] = field(default_factory=list)
    tries: int = 0

    def connect(self, machine: Machine, *, cancel: CancelToken, deadline: float) -> tuple[Machine, FakeLink]:
        self.tries += 1
        answer = self.answers.pop(0) if self.answers else None
        if answer:
            raise answer
        return super().connect(machine, cancel=cancel, deadline=deadline)

    def status(self, machine: Machine) -> MachineStatus:
        status = self.statuses.pop(0) if self.statuses else super().status(machine)
        if isinstance(status, UnreachableError):
            raise status
        return status


@pytest.fixture
def farm() -> Deaf:
    return Deaf(scripts=[])


def test_what_was_cut_off_is_run_again_and_said_once(farm: Deaf) -> None:
    machinery = Machinery([["::step Fetching", ALL[0], BROKEN], ["::step Fetching", *ALL], []])
    baked = machinery.bake(farm)
    assert machinery.ran == ["bake_cpu.sh", "bake_cpu.sh", CLEAN]
    assert baked.contents.blender == ("4.2.23",) and baked.device == "CPU"
    assert machinery.said == ["Fetching", f"{BROKEN.message}; connecting again", "Fetching"]


def test_a_link_that_breaks_after_the_last_word_costs_no_second_run(farm: Deaf) -> None:
    machinery = Machinery([[*ALL, BROKEN], []])
    assert machinery.bake(farm).contents.blender == ("4.2.23",)
    assert machinery.ran == ["bake_cpu.sh", CLEAN] and farm.tries == 0


def test_cleaning_is_run_again_as_long_as_the_machine_lets_us_in(farm: Deaf) -> None:
    machinery = Machinery([[*ALL], ["::step Cleaning up", BROKEN], []])
    machinery.bake(farm)
    assert machinery.ran == ["bake_cpu.sh", CLEAN, CLEAN]


def test_a_machine_that_lets_us_in_no_more_is_clean(farm: Deaf) -> None:
    farm.answers = [REFUSED]
    machinery = Machinery([[*ALL], [BROKEN]])
    assert machinery.bake(farm).contents.blender == ("4.2.23",)


@pytest.mark.parametrize("runs", [[[BROKEN]], [[*ALL[:2], BROKEN]]])
def test_one_that_lets_us_in_no_more_before_that_is_lost(farm: Deaf, runs: list[list[Step]]) -> None:
    farm.answers = [REFUSED]
    with pytest.raises(MachineGoneError, match="does not answer"):
        Machinery(runs).bake(farm)


def test_a_machine_that_does_not_answer_at_all_is_not_called_clean(farm: Deaf) -> None:
    farm.answers = [LinkError("silence")]
    with pytest.raises(MachineGoneError, match="does not answer"):
        Machinery([[*ALL], ["::step Cleaning up", BROKEN]]).bake(farm)


def test_a_machine_that_is_gone_ends_it_with_the_reason(farm: Deaf) -> None:
    farm.statuses = [MachineStatus(state=MachineState.GONE, reason="it was ended from outside")]
    with pytest.raises(MachineGoneError, match="ended from outside"):
        Machinery([[BROKEN]]).bake(farm)


def test_this_computer_may_be_offline_for_a_while(farm: Deaf) -> None:
    farm.statuses = [UnreachableError("no network"), UnreachableError("no network")]
    farm.answers = [LinkError("silence"), LinkError("silence"), None]
    machinery = Machinery([[BROKEN], [*ALL], []])
    farm.statuses.append(MachineStatus(state=MachineState.RUNNING))
    farm.statuses.append(UnreachableError("no network"))
    machinery.bake(farm)
    assert machinery.said.count("This computer seems to be offline; the waiting goes on") == 2


def test_but_not_for_longer_than_the_machine_lives(farm: Deaf, monkeypatch: pytest.MonkeyPatch) -> None:
    farm.statuses = [UnreachableError("no network")] * 9
    farm.answers = [LinkError("silence")] * 9
    monkeypatch.setattr(steady, "now", lambda: a_machine(FakeFarm(scripts=[])).end + 1)  # type: ignore[operator]
    with pytest.raises(MachineGoneError, match="offline"):
        Machinery([[BROKEN]]).bake(farm)


def test_a_connection_that_keeps_breaking_with_nothing_new_is_given_up(farm: Deaf) -> None:
    often = steady.MAX_FRUITLESS_LINKS
    machinery = Machinery([["::step Fetching", BROKEN] for _ in range(often + 5)])
    with pytest.raises(MachineError, match="keeps breaking"):
        machinery.bake(farm)
    assert len(machinery.ran) == often + 1


def test_but_not_as_long_as_there_is_something_new(farm: Deaf) -> None:
    often = steady.MAX_FRUITLESS_LINKS
    machinery = Machinery([[f"::step {n}", BROKEN] for n in range(3 * often)] + [[*ALL], []])
    assert machinery.bake(farm).contents.blender == ("4.2.23",)


def test_cancel_is_heard_between_the_links(farm: Deaf) -> None:
    machinery = Machinery([[BROKEN]])
    machinery.on_run = machinery.cancel.cancel
    with pytest.raises(Cancelled):
        machinery.bake(farm)


def test_a_recipe_that_fails_is_not_run_again(farm: Deaf) -> None:
    machinery = Machinery([[BROKEN], [GpuError("The NVIDIA driver does not work")]])
    with pytest.raises(GpuError):
        machinery.bake(farm)
    assert machinery.ran == ["bake_cpu.sh"] * 2


def test_trying_an_image_takes_no_keys_away(farm: Deaf) -> None:
    machinery = Machinery([[*ALL, BROKEN]])
    machinery.bake(farm, Recipe.to_try(kind="cpu", mirror="m", blender=("4.2.23",)))
    assert machinery.ran == ["bake_test.sh"]


def test_where_it_moved_to_it_is_gone_on_with(farm: Deaf) -> None:
    seen: list[str | None] = []

    def run(recipe: Recipe, script: str, *, machine: Machine, said: Said, **_: Any) -> None:
        seen.append(machine.address)
        if len(seen) == 1:
            raise BROKEN
        for line in ALL:
            said.hear(line)

    recipe = Recipe.to_try(kind="cpu", mirror="m", blender=("4.2.23",))
    machine = replace(a_machine(farm), address="198.51.100.1")
    steady.run_recipe(
        recipe, machine=machine, farm=farm, key_file=Path("k"), say=lambda _: None, cancel=CancelToken(), run=run
    )
    assert seen == ["198.51.100.1", "127.0.0.1"]
