"""The runner's promises, over a farm in memory."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.cancel import CancelToken, Wish
from cloudrender_addon.backend.errors import (
    CapacityError,
    CloudrenderError,
    GpuError,
    LinkError,
    MachineGoneError,
    RenderError,
    UnreachableError,
)
from cloudrender_addon.backend.farms.base import Machine, MachineStatus
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.runner import JobRunner
from cloudrender_addon.backend.job.status import Status
from tests.unit.fakes import FakeFarm, FakeLink, content, frame_event, render_all, unclean
from tests.unit.one_job import FRAMES, Killed, run, statuses


def test_the_whole_way(folder: JobFolder) -> None:
    farm = FakeFarm([render_all])
    ended, events = run(folder, farm)
    assert (ended.status, ended.error, ended.frames, ended.missing) == (Status.SUCCEEDED, None, FRAMES, ())
    out = folder.load().spec.output
    assert [(out / f"{n:04d}.png").read_bytes() for n in FRAMES] == [content(n) for n in FRAMES]
    assert farm.running == {} and farm.finished == ["i-0"]
    assert statuses(events) == [
        Status.PACKING, Status.PROVISIONING, Status.BOOTING, Status.UPLOADING, Status.RENDERING,
        Status.CLEANING_UP, Status.SUCCEEDED,
    ]  # fmt: skip
    record = folder.load()
    assert (record.status, record.machine) == (Status.SUCCEEDED, None)
    assert record.spent_usd == pytest.approx(0.36 / 60)  # one minute is the least that is billed


def test_the_record_names_the_machine_before_it_is_launched(folder: JobFolder) -> None:
    seen = []
    farm = FakeFarm([render_all], on_launch=lambda: seen.append(folder.load().machine))
    run(folder, farm)
    assert seen[0] is not None and seen[0].request.token == farm.launched[0].request.token


def test_a_refused_launch_fails_and_leaves_nothing(folder: JobFolder) -> None:
    ended, _ = run(folder, FakeFarm([render_all], launch_error=CapacityError("none to be had", hint="try another")))
    assert ended.status is Status.FAILED and isinstance(ended.error, CapacityError)
    assert folder.load().machine is None


def test_a_broken_link_is_picked_up_without_fetching_twice(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        yield LinkError("cut")
        yield frame_event(2)
        yield LinkError("cut")
        yield frame_event(3)
        yield {"event": "finished"}

    farm = FakeFarm([script])
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 1
    assert farm.fetched == ["0001.png", "0002.png", "0003.png"]
    assert statuses(events).count(Status.RECOVERING) == 2


@pytest.mark.parametrize("end", [MachineGoneError("reclaimed"), {"event": "stopped"}])
def test_an_interruption_renders_only_what_is_missing(folder: JobFolder, end: Any) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        yield {"event": "interruption", "action": "terminate", "time": ""}
        yield end

    farm = FakeFarm([script, render_all])
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 2 and farm.running == {}
    assert farm.fetched == ["0001.png", "0002.png", "0003.png"]
    assert [e.missing for e in events if isinstance(e, ev.Interrupted)] == [2]
    assert len({m.request.token for m in farm.launched}) == 2


def test_it_gives_up_after_four_machines_and_keeps_the_frames(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(2)
        yield MachineGoneError("reclaimed")

    farm = FakeFarm([script])
    ended, _ = run(folder, farm)
    assert ended.status is Status.FAILED and len(farm.launched) == 4 and farm.running == {}
    assert (ended.frames, ended.missing) == ((2,), (1, 3))
    assert (ended.error.hint if ended.error else "").startswith("Resume the job")


def test_a_machine_that_finishes_without_its_frames_is_replaced(folder: JobFolder) -> None:
    farm = FakeFarm([lambda plan: iter([frame_event(1), {"event": "finished"}]), render_all])
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 2


@pytest.mark.parametrize(("kind", "error"), [("gpu", GpuError), ("blender", RenderError), ("agent", RenderError)])
def test_a_failure_on_the_machine_is_told_with_its_last_lines(folder: JobFolder, kind: str, error: type) -> None:
    failed = {"event": "failed", "kind": kind, "message": "no way", "hint": "do this", "log": ["a", "b"]}
    ended, _ = run(folder, FakeFarm([lambda plan: iter([frame_event(1), failed])]))
    assert ended.status is Status.FAILED and type(ended.error) is error
    assert ended.error is not None and (ended.error.message, ended.error.hint) == ("no way", "do this")
    assert ended.error.details == ("a", "b") and ended.frames == (1,)


def test_a_frame_set_aside_does_not_stop_the_others(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        yield {"event": "frame_failed", "frame": 2, "reason": "Blender crashed", "log": ["boom"]}
        yield frame_event(3)
        yield {"event": "finished"}

    ended, _ = run(folder, FakeFarm([script]))
    assert ended.status is Status.FAILED and ended.frames == (1, 3)
    assert ended.error is not None and "1 of 3" in ended.error.message and "boom" in "\n".join(ended.error.details)


def test_a_frame_set_aside_is_not_tried_again_on_the_next_machine(folder: JobFolder) -> None:
    plans: list[tuple[int, ...]] = []

    def script(plan: RenderPlan) -> Iterator[Any]:
        plans.append(plan.frames)
        yield frame_event(1)
        yield {"event": "frame_failed", "frame": 2, "reason": "Blender crashed", "log": ["boom"]}
        yield MachineGoneError("reclaimed")

    def rest(plan: RenderPlan) -> Iterator[Any]:
        plans.append(plan.frames)
        yield from render_all(plan)

    ended, _ = run(folder, FakeFarm([script, rest]))
    assert plans == [FRAMES, (3,)] and ended.status is Status.FAILED and ended.frames == (1, 3)
    assert ended.error is not None and "Frame 2: boom" in ended.error.details


def test_cancelling_ends_the_machine(folder: JobFolder) -> None:
    cancel = CancelToken()

    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        cancel.cancel()
        yield None
        raise AssertionError("went on after the cancellation")

    farm = FakeFarm([script])
    ended, events = run(folder, farm, cancel)
    assert ended.status is Status.CANCELLED and ended.frames == (1,) and farm.running == {}
    assert statuses(events)[-3:] == [Status.CANCELLING, Status.CLEANING_UP, Status.CANCELLED]


def test_somebody_else_can_cancel_through_the_folder(folder: JobFolder) -> None:
    folder.request_cancel()
    farm = FakeFarm([render_all])
    ended, _ = run(folder, farm, CancelToken(probe=folder.wish))
    assert ended.status is Status.CANCELLED and not farm.launched and folder.wish() is Wish.GO_ON


def test_a_failed_clean_up_is_not_called_an_end(folder: JobFolder) -> None:
    farm = FakeFarm([render_all], release_error=unclean())
    ended, _ = run(folder, farm)
    assert ended.status is Status.CLEANING_UP and folder.load().open and folder.load().machine is not None
    farm.release_error = None
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and farm.running == {} and len(farm.launched) == 1


def test_any_error_while_releasing_is_a_failed_clean_up(folder: JobFolder) -> None:
    ended, _ = run(folder, FakeFarm([render_all], release_error=CapacityError("odd")))
    assert ended.status is Status.CLEANING_UP and "odd" in (ended.error.message if ended.error else "")


def test_a_second_client_takes_over_without_losing_or_repeating(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        raise Killed

    farm = FakeFarm([script])
    with pytest.raises(Killed):
        run(folder, farm)
    assert list(farm.running) == ["i-0"]
    farm.logs["i-0"] = ([frame_event(1)], iter([frame_event(2), frame_event(3), {"event": "finished"}]))
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 1 and farm.running == {}
    assert farm.fetched == ["0001.png", "0002.png", "0003.png"]


def test_a_client_killed_while_launching_is_cleaned_up_after(folder: JobFolder) -> None:
    def killed() -> None:
        raise Killed

    farm = FakeFarm([render_all], on_launch=killed)
    with pytest.raises(Killed):
        run(folder, farm)
    released = []
    farm.on_launch = lambda: None
    farm.release = lambda machine: released.append(machine.request.token) or farm.running.clear() or (machine,)  # type: ignore[method-assign,func-returns-value]
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and released[0] == farm.launched[0].request.token


def test_a_frame_deleted_since_is_rendered_again(folder: JobFolder) -> None:
    farm = FakeFarm([render_all])
    run(folder, farm)
    record = folder.load()
    (record.spec.output / "0002.png").unlink()
    folder.save(replace(record, status=Status.PENDING))
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and farm.fetched[3:] == ["0002.png"]


def test_the_time_limit_ends_the_job_with_its_frames(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            yield None

    record = folder.load()
    folder.save(replace(record, started=time.time() - record.spec.settings.max_hours * 3600 + 0.3))
    farm = FakeFarm([script])
    ended, _ = run(folder, farm)
    assert ended.status is Status.FAILED and ended.frames == (1,) and farm.running == {}
    assert ended.error is not None and "time limit" in ended.error.message


@pytest.mark.parametrize("name", ["0002.png", "evil.png", "0011.png"])
def test_a_file_that_is_not_the_frames_is_refused(folder: JobFolder, name: str) -> None:
    farm = FakeFarm([lambda plan: iter([frame_event(1, name), {"event": "finished"}])])
    ended, _ = run(folder, farm)
    assert ended.status is Status.FAILED and farm.fetched == []


def test_a_file_of_one_frame_never_replaces_another_frames(folder: JobFolder) -> None:
    thief = frame_event(2, "0001_0002.png")
    again = frame_event(1, "0001_0002.PNG")
    farm = FakeFarm([lambda plan: iter([thief, again, {"event": "finished"}])])
    ended, _ = run(folder, farm)
    assert ended.status is Status.FAILED and ended.frames == (2,) and len(farm.fetched) == 1


def test_a_frame_that_always_arrives_damaged_is_rendered_again(folder: JobFolder) -> None:
    class Damaging(FakeFarm):
        def damages(self, machine: str, name: str) -> bool:
            return (machine, name) == ("i-0", "0002.png")

    farm = Damaging([render_all])
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 2 and farm.running == {}
    assert farm.fetched == ["0001.png", "0003.png", "0002.png"], "what came after it was fetched first"
    assert any("will be rendered again" in e.text for e in events if isinstance(e, ev.Notice))


def test_frames_nobody_asked_for_are_not_taken(folder: JobFolder) -> None:
    farm = FakeFarm([lambda plan: iter([frame_event(99), *render_all(plan)])])
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and "0099.png" not in farm.fetched


def test_a_bug_ends_the_job_cleanly(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "frame", "frame": 1}
        raise ZeroDivisionError

    farm = FakeFarm([lambda plan: iter([]), script])
    farm.connect = lambda *a, **k: 1 / 0  # type: ignore[method-assign,assignment]
    ended, _ = run(folder, farm)
    assert ended.status is Status.FAILED and farm.running == {}
    assert isinstance(ended.error, CloudrenderError) and "ZeroDivisionError" in ended.error.message


class Offline(FakeFarm):
    """A farm that this computer cannot reach for a while; the machine is well."""

    asked = 0

    def status(self, machine: Machine) -> MachineStatus:
        self.asked += 1
        if self.asked < 3:
            raise UnreachableError("no network")
        return super().status(machine)

    def connect(self, machine: Machine, *, deadline: float, **more: Any) -> tuple[Machine, FakeLink]:
        if 0 < self.asked < 3:
            raise LinkError("no network")
        return super().connect(machine, deadline=deadline, **more)


def test_a_computer_off_the_network_does_not_cost_the_machine(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield LinkError("silence")
        yield from render_all(plan)

    farm = Offline([script])
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 1 and farm.asked >= 3


def test_a_machine_that_has_the_project_needs_nothing_from_here(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        raise Killed

    farm = FakeFarm([script])
    with pytest.raises(Killed):
        run(folder, farm)
    farm.logs["i-0"] = ([frame_event(n) for n in FRAMES], iter([{"event": "finished"}]))

    def gone() -> Bundle:
        raise AssertionError("the project was read again")

    assert JobRunner(folder, farm=farm, bundle=gone, report=lambda _: None, cancel=CancelToken()).run().frames == FRAMES


def test_what_was_told_is_not_told_again_after_a_reconnect(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield {"event": "scene", "engine": "CYCLES", "device": "CPU", "notes": ["a note"]}
        yield {"event": "frame_failed", "frame": 2, "reason": "crash", "log": "not a list"}
        yield LinkError("cut")
        yield frame_event(1)
        yield frame_event(3)
        yield {"event": "finished"}

    _, events = run(folder, FakeFarm([script]))
    assert len([e for e in events if isinstance(e, ev.FrameFailed)]) == 1
    assert [e.text for e in events if isinstance(e, ev.Notice)].count("a note") == 1


def test_a_link_that_keeps_breaking_is_given_up(folder: JobFolder) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        while True:
            yield LinkError("cut")

    farm = FakeFarm([script, render_all])
    ended, events = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and len(farm.launched) == 2
    assert [e.reason for e in events if isinstance(e, ev.Interrupted)] == [
        "The connection to the machine keeps breaking"
    ]


@pytest.mark.parametrize("error", [None, CapacityError("none to be had")])
def test_no_key_outlives_the_job(folder: JobFolder, error: CloudrenderError | None) -> None:
    (folder.keys / "job_key").write_text("secret")
    run(folder, FakeFarm([render_all], launch_error=error))
    assert not list(folder.keys.iterdir())


def test_the_record_holds_no_key(folder: JobFolder) -> None:
    run(folder, FakeFarm([render_all]))
    text = (folder.path / "record.json").read_text()
    assert "PRIVATE" not in text and json.loads(text)["spec"]["job_id"] == folder.job_id
