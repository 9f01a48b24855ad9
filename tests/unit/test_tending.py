# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine, from connecting to the agent's last word; and why it went, when it goes before that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.assets.hash_cache import HashCache
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import LinkError, MachineGoneError, UnreachableError
from cloudrender_addon.backend.farms.base import Machine, MachineState, MachineStatus
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job import follow
from cloudrender_addon.backend.job.ledger import Ledger
from cloudrender_addon.backend.job.packing import Packing
from cloudrender_addon.backend.job.record import JobRecord
from cloudrender_addon.backend.job.renting import Renting
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.job.tending import Tending
from cloudrender_addon.backend.settings import Settings
from tests.unit.fakes import FakeFarm, FakeLink, frame_event

_NOTICE = {"event": "interruption", "action": "terminate", "time": "2026-01-01T00:00:00Z"}
_REBALANCE = {"event": "rebalance", "time": "2026-01-01T00:00:00Z"}
_STOPPED = {"event": "stopped", "reason": "shutdown"}
_TAKEN = MachineStatus(state=MachineState.GONE, reason="it was taken", code="Server.SpotInstance…", reclaimed=True)
_RUNS = MachineStatus(state=MachineState.RUNNING)


def new_ledger(tmp_path: Path, report: ev.Reporter = lambda _: None, **settings: Any) -> Ledger:
    spec = JobSpec(
        job_id="20260101-000000-abcd",
        project=tmp_path / "project",
        blend="robot.blend",
        frames=(1, 2, 3),
        output=tmp_path / "out",
        blender="4.2",
        autoexec=False,
        settings=Settings(home=tmp_path / "home", **settings),
    )
    return Ledger(JobStore(tmp_path / "home").create(JobRecord(spec=spec, started=time.time())), report)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return new_ledger(tmp_path)


def tend(ledger: Ledger, farm: FakeFarm) -> MachineGoneError:
    """Tend a machine that is going to be lost, and return how that was told."""
    cancel = CancelToken()

    def bundle() -> Bundle:
        return Bundle(root=Path(), files=())

    packing = Packing(bundle, cache=HashCache(ledger.spec.settings.home / "hashes.sqlite"))
    machine = Renting(ledger, farm=farm, bundle=packing.read, cancel=cancel).rent()
    with pytest.raises(MachineGoneError) as caught:
        Tending(ledger, farm=farm, packing=packing, cancel=cancel).tend(machine)
    return caught.value


class Telling(FakeFarm):
    """A farm whose cloud says this of every machine."""

    says: MachineStatus | None = None

    def status(self, machine: Machine) -> MachineStatus:
        if self.says is None:
            raise UnreachableError("no network")
        return self.says


@pytest.mark.parametrize(
    ("events", "says", "reclaimed"),
    [
        ([_NOTICE, _STOPPED], _RUNS, True),
        ([_NOTICE, MachineGoneError("cut off")], None, True),
        ([_NOTICE, LinkError("cut"), MachineGoneError("cut off")], None, True),
        ([_STOPPED], _TAKEN, True),
        ([MachineGoneError("cut off")], _TAKEN, True),
        ([LinkError("cut")], _TAKEN, True),
        ([_REBALANCE, {"event": "stopped", "reason": "rebalance"}], _RUNS, True),
        ([_STOPPED], _RUNS, False),
        ([MachineGoneError("cut off")], None, False),
    ],
)
def test_a_machine_that_was_taken_back_is_told_from_one_that_went(
    ledger: Ledger, events: list[Any], says: MachineStatus | None, reclaimed: bool
) -> None:
    def script(_plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        yield from events

    farm = Telling([script])
    farm.says = says
    assert tend(ledger, farm).reclaimed is reclaimed


def test_why_a_machine_went_is_said_in_plain_words_with_the_code_below(ledger: Ledger) -> None:
    farm = Telling([lambda _plan: iter([LinkError("cut")])])
    farm.says = _TAKEN
    gone = tend(ledger, farm)
    assert (gone.message, gone.details) == ("The machine has ended: it was taken", ("Server.SpotInstance…",))


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-11-25T23:59:17Z", "05:29"),
        ("", "any moment"),
        ("\x1b]0;title\x07", "any moment"),
        ("2026-99-99T99:99:99Z", "any moment"),
        ({"a": []}, "any moment"),
    ],
)
def test_the_notice_is_in_this_computers_time_whatever_the_machine_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: object, said: str
) -> None:
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    told: list[ev.Event] = []
    try:
        tend(new_ledger(tmp_path, told.append), FakeFarm([lambda _plan: iter([{**_NOTICE, "time": moment}, _STOPPED])]))
    finally:
        monkeypatch.undo()
        time.tzset()
    notices = [event.text for event in told if isinstance(event, ev.Notice)]
    assert f"Amazon takes this spot machine back at {said}" in notices


def test_a_job_does_not_bounce_for_ever(ledger: Ledger) -> None:
    plans: list[RenderPlan] = []

    def script(plan: RenderPlan) -> Iterator[Any]:
        plans.append(plan)
        yield _REBALANCE
        yield {"event": "stopped", "reason": "rebalance"}

    farm = Telling([script])
    for _ in range(4):
        assert "recommends" in tend(ledger, farm).message
    assert [plan.move_seconds for plan in plans] == [600, 600, None, None]


def test_in_a_subnet_of_ones_own_there_is_nowhere_else_to_go(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path, subnet="subnet-1")
    farm = Telling([lambda _plan: iter([_STOPPED])])
    tend(ledger, farm)
    assert [plan and plan.move_seconds for plan in farm.running.values()] == [None]


def test_the_agent_is_started_before_the_project_is_sent(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """It brings Blender meanwhile. A second client finds it started, and sends what the first one has not."""
    did: list[str] = []
    start, push = FakeLink.start, FakeLink.push
    monkeypatch.setattr(FakeLink, "start", lambda self, plan: (did.append("start"), start(self, plan))[1])

    def cut_once(self: FakeLink, *arguments: Any, **more: Any) -> None:
        did.append("push")
        if did.count("push") == 1:
            raise LinkError("cut")
        push(self, *arguments, **more)

    monkeypatch.setattr(FakeLink, "push", cut_once)
    tend(ledger, FakeFarm([lambda _plan: iter([_STOPPED])]))
    assert did == ["start", "push", "start", "push"]


def test_the_last_machine_a_job_may_have_is_not_given_up(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path, max_launches=2)
    farm = Telling([lambda _plan: iter([_STOPPED])])
    tend(ledger, farm)
    assert [plan and plan.move_seconds for plan in farm.running.values()] == [None]


def test_after_its_notice_a_silent_machine_is_not_waited_for_long(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cloud may call a machine running for a while that has lost its power."""
    deadlines: list[float] = []

    class Deaf(Telling):
        says = _RUNS

        def connect(self, machine: Machine, *, deadline: float, **more: Any) -> tuple[Machine, FakeLink]:
            if self.logs:
                deadlines.append(deadline - time.monotonic())
                raise LinkError("no answer")
            return super().connect(machine, deadline=deadline, **more)

    monkeypatch.setattr(follow, "_NOTICE_SECONDS", 30.0)
    assert tend(ledger, Deaf([lambda _plan: iter([_NOTICE, LinkError("cut")])])).reclaimed
    assert len(deadlines) == 1 and 25 < deadlines[0] <= 30


def test_a_frame_at_which_two_machines_were_lost_is_set_aside(ledger: Ledger) -> None:
    def begin(plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "frame_started", "frame": plan.frames[0]}
        yield LinkError("silence")
        yield MachineGoneError("The machine does not answer any more")

    farm = Telling([begin])
    tend(ledger, farm)
    assert ledger.record.suspects == (1,) and ledger.missing() == (1, 2, 3)
    for _ in range(3):
        tend(ledger, farm)
    # Each machine began with a frame that none was lost at, until there was no such frame left.
    assert ledger.record.suspects == (1, 2, 3) and "Two machines were lost" in ledger.record.failed_frames[1]
    assert ledger.missing() == (2, 3)


def test_a_machine_that_was_taken_back_is_held_against_no_frame(ledger: Ledger) -> None:
    def begin(_plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "frame_started", "frame": 1}
        yield MachineGoneError("cut off")

    farm = Telling([begin])
    farm.says = _TAKEN
    tend(ledger, farm)
    assert ledger.record.suspects == ()


def test_a_machine_that_froze_while_no_client_was_there_is_given_up(ledger: Ledger) -> None:
    class Frozen(FakeFarm):
        def launch(self, machine: Machine) -> Machine:
            return replace(super().launch(machine), address="127.0.0.1")  # as the record has it from a client before

        def connect(self, machine: Machine, *, deadline: float, **more: Any) -> tuple[Machine, FakeLink]:
            raise LinkError("it does not answer")

    assert "does not answer any more" in tend(ledger, Frozen([])).message


def test_a_machine_that_never_answered_any_client_is_not_replaced_by_others_like_it(ledger: Ledger) -> None:
    class Firewalled(FakeFarm):
        def connect(self, machine: Machine, *, deadline: float, **more: Any) -> tuple[Machine, FakeLink]:
            raise LinkError("it does not answer")

    with pytest.raises(LinkError, match="it does not answer"):
        tend(ledger, Firewalled([]))


def steps_of(tmp_path: Path, farm: FakeFarm) -> list[ev.StepTaken]:
    said: list[ev.Event] = []
    tend(new_ledger(tmp_path, said.append), farm)
    return [event for event in said if isinstance(event, ev.StepTaken)]


def test_the_steps_to_the_first_frame_are_told_by_the_machines_own_time(tmp_path: Path) -> None:
    """The agent's log is read when the project has been sent, and again after each cut; it may be an hour old."""

    def script(_plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "started", "version": 1, "uptime": 1000.5}
        yield {"event": "blender_ready", "version": "4.2.23", "source": "image", "uptime": 1010.0}
        yield {"event": "project_ready", "uptime": 1011.0}
        yield {"event": "first_sample", "uptime": 1012.25}
        yield LinkError("cut")
        yield {"event": "first_sample", "uptime": 1020.0}
        yield {**frame_event(1), "uptime": 1030.0}
        yield MachineGoneError("cut off")

    steps = steps_of(tmp_path, FakeFarm([script], uptime=5000.0))
    by_machine = [step for step in steps if step.moment < time.time() - 1000.0]
    by_client = [step for step in steps if step not in by_machine]
    again = ["agent"]  # with the second link
    assert [step.step for step in by_client] == ["running", "answers", "agent", "files", *again]
    assert [step.step for step in by_machine] == ["agent", "blender", "files", "first_sample", "first_frame"]
    booted_at = time.time() - 5000.0
    told = [step.moment - booted_at for step in by_machine]
    assert told == pytest.approx([1000.5, 1010.0, 1011.0, 1012.25, 1030.0], abs=60.0)
    assert [step.blender_from for step in by_machine] == ["", "image", "", "", ""]


def test_of_a_machine_that_had_answered_before_no_boot_is_told(tmp_path: Path) -> None:
    class Kept(FakeFarm):
        def launch(self, machine: Machine) -> Machine:
            return replace(super().launch(machine), address="127.0.0.1")

    assert [step.step for step in steps_of(tmp_path, Kept([lambda _plan: iter([_STOPPED])]))] == ["files"]


@pytest.mark.parametrize("uptime", ["soon", None, [], float("nan"), float("inf"), 10**400, 1e12])
def test_a_machine_that_tells_no_time_is_believed_in_nothing(tmp_path: Path, uptime: object) -> None:
    def script(_plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "blender_ready", "version": "4.2.23", "source": {"a": 1}, "uptime": uptime}
        yield MachineGoneError("cut off")

    *_, ready = steps_of(tmp_path, FakeFarm([script], uptime=5000.0))
    assert (ready.step, ready.blender_from) == ("blender", "")
    assert abs(ready.moment - time.time()) < 60


def test_an_agent_that_does_not_tell_its_uptime_is_timed_by_this_computer(tmp_path: Path) -> None:
    def script(_plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "first_sample", "uptime": 12.0}
        yield MachineGoneError("cut off")

    *_, sample = steps_of(tmp_path, FakeFarm([script]))
    assert sample.step == "first_sample" and abs(sample.moment - time.time()) < 60


def test_files_that_were_there_before_are_timed_by_the_machine(tmp_path: Path) -> None:
    def script(_plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "project_ready", "uptime": 4000.0}
        yield MachineGoneError("cut off")

    farm = FakeFarm([script], uptime=5000.0, have={"i-0"})
    [files] = [step for step in steps_of(tmp_path, farm) if step.step == "files"]
    assert files.moment - time.time() == pytest.approx(-1000.0, abs=60.0)


@pytest.mark.parametrize(
    ("source", "words"), [("image", "from its image"), ("download", "downloaded"), ("kept", "there already")]
)
def test_where_blender_came_from_is_told(tmp_path: Path, source: str, words: str) -> None:
    def script(_plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "blender_ready", "version": "4.2.23", "source": source}
        yield MachineGoneError("cut off")

    said: list[ev.Event] = []
    tend(new_ledger(tmp_path, said.append), FakeFarm([script]))
    assert f"Blender 4.2.23 is ready ({words})" in [event.text for event in said if isinstance(event, ev.Notice)]


@pytest.mark.parametrize(("name", "minutes"), [("g4dn.12xlarge", 10), ("g4dn.metal", 20), ("c7i.metal-24xl", 20)])
def test_bare_metal_may_take_longer_to_boot(tmp_path: Path, name: str, minutes: float) -> None:
    class Silent(FakeFarm):
        def connect(self, machine: Machine, *, deadline: float, **more: Any) -> tuple[Machine, Any]:
            waited.append(deadline - time.monotonic())
            raise MachineGoneError("The machine is gone")

    waited: list[float] = []
    tend(new_ledger(tmp_path, instance_type=name), Silent([]))
    assert waited == [pytest.approx(minutes * 60, abs=20)]
