# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that takes over the machine another one kept: when it may, what each pays, and a crash at every step."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
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
from cloudrender_addon.backend.farms.base import Machine
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job import handing_over
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.handing_over import as_it_stands, load_settled
from cloudrender_addon.backend.job.record import JobRecord
from cloudrender_addon.backend.job.runner import JobRunner
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.job.summary import summarize
from cloudrender_addon.backend.settings import Settings
from cloudrender_addon.cli import jobs
from cloudrender_addon.cli.display import LineDisplay
from tests.unit.fakes import FakeFarm, frame_event, render_all
from tests.unit.test_runner import Killed, statuses

FRAMES = (1, 2)
MINUTE = 0.36 / 60
"""What a minute of the fake machine costs, USD."""


class Place:
    """One user's jobs over one farm."""

    def __init__(self, home: Path) -> None:
        self.store = JobStore(home / "home")
        self.home = home
        self.farm = FakeFarm([render_all])
        self.bundle: Callable[[], Bundle] = lambda: Bundle(root=Path(), files=())

    def job(self, name: str, **settings: Any) -> JobFolder:
        spec = JobSpec(
            job_id=f"20260101-00000{name}-abcd",
            project=self.home / "project",
            blend="robot.blend",
            frames=FRAMES,
            output=self.home / f"out-{name}",
            blender="4.2",
            autoexec=False,
            settings=Settings(home=self.home / "home", wait_minutes=0, **settings),
        )
        folder = self.store.create(JobRecord(spec=spec, started=time.time()))
        (folder.keys / "job_key").write_text(name)
        return folder

    def run(self, folder: JobFolder, cancel: CancelToken | None = None) -> tuple[ev.JobEnded, list[ev.Event]]:
        """Drive a job as a client does: under its lock."""
        events: list[ev.Event] = []
        with folder.lock():
            runner = JobRunner(
                folder,
                farm=self.farm,
                bundle=self.bundle,
                report=events.append,
                cancel=cancel or CancelToken(probe=folder.wish),
            )
            return runner.run(), events

    def kept(self, name: str = "1", **settings: Any) -> JobFolder:
        """Run a job whose machine is kept, launched ten minutes ago."""
        launch = self.farm.launch
        self.farm.launch = lambda machine: replace(launch(machine), launched_at=time.time() - 600)  # type: ignore[method-assign]
        folder = self.job(name, **{"keep_minutes": 30, **settings})
        assert self.run(folder)[0].kept
        self.farm.launch = launch  # type: ignore[method-assign]
        return folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def taken(events: list[ev.Event]) -> list[str]:
    return [event.kept_by for event in events if isinstance(event, ev.MachineTakenOver)]


def notices(events: list[ev.Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, ev.Notice))


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


def test_one_that_somebody_holds_or_wants_to_end_is_left_alone(place: Place) -> None:
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


# -- a client that is killed in the middle ---------------------------------------------------------------


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


def test_a_damaged_record_beside_it_takes_nothing(place: Place) -> None:
    first, broken = place.kept(), place.job("9")
    (broken.path / "record.json").write_text("{")
    assert as_it_stands(first, first.load()).status is Status.KEPT


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


def test_no_machine_anywhere_is_said_as_ever(place: Place) -> None:
    place.farm.launch_error = CapacityError("none to be had")
    ended, _ = place.run(place.job("2"))
    assert isinstance(ended.error, CapacityError)
