# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is kept after its job: the record stays true, and nothing is forgotten before it is gone."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import MachineError, RenderError
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.progress import Progress
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.summary import summarize
from cloudrender_addon.backend.job.words import clock
from cloudrender_addon.cli import jobs
from cloudrender_addon.cli.display import LineDisplay
from tests.unit.fakes import FakeFarm, Script, frame_event, render_all, unclean
from tests.unit.one_job import FRAMES, Killed, run


@pytest.fixture
def keeping(folder: JobFolder) -> JobFolder:
    return with_settings(folder, keep_minutes=30)


def with_settings(folder: JobFolder, **changes: Any) -> JobFolder:
    record = folder.load()
    settings = replace(record.spec.settings, **changes)
    folder.save(replace(record, spec=replace(record.spec, settings=settings)))
    (folder.keys / "job_key").write_text("secret")
    return folder


def fail(plan: RenderPlan) -> Iterator[Any]:
    yield frame_event(1)
    yield {"event": "failed", "kind": "blender", "message": "no way", "hint": "do this", "log": []}


def test_the_machine_stays_and_everything_says_so(keeping: JobFolder) -> None:
    farm = FakeFarm([render_all])
    ended, events = run(keeping, farm)
    assert (ended.status, ended.error, ended.frames) == (Status.SUCCEEDED, None, FRAMES)
    assert ended.kept and ended.kept.until == pytest.approx(time.time() + 1800, abs=5)
    assert ended.kept.login == "ssh u@127.0.0.1" and farm.kept == {"i-0": 1800}
    assert list(farm.running) == ["i-0"] and farm.finished == [] and (keeping.keys / "job_key").exists()
    assert [e.status for e in events if isinstance(e, ev.StatusChanged)][-1] is Status.KEPT
    record, summary = keeping.load(), summarize(keeping)
    assert record.open and record.kept_until == pytest.approx(ended.kept.until, abs=2)
    assert summary.kept_until == record.kept_until and not summary.left_half_way
    assert ended.cost_usd > 0 and summary.cost_usd >= ended.cost_usd


def test_the_next_driver_ends_it_and_tells_how_the_job_had_ended(keeping: JobFolder) -> None:
    farm = FakeFarm([fail])
    ended, _ = run(keeping, farm)
    assert ended.status is Status.FAILED and ended.kept and isinstance(ended.error, RenderError)
    token = CancelToken()
    token.cancel()
    ended, _ = run(keeping, farm, token)
    assert ended.status is Status.FAILED and ended.error and (ended.error.message, ended.error.hint) == (
        "no way", "do this",
    )  # fmt: skip
    record = keeping.load()
    assert (record.status, record.machine, record.error) == (Status.FAILED, None, "no way")
    assert farm.running == {} and len(farm.launched) == 1 and not list(keeping.keys.iterdir())


def attach(folder: JobFolder, farm: FakeFarm, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setattr(jobs, "farm_of", lambda *_: farm)
    out = io.StringIO()
    return jobs.drive_folder(folder, LineDisplay(out)), out.getvalue()


def test_attach_tells_of_the_machine_of_a_complete_job_and_leaves_it(
    keeping: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = FakeFarm([render_all])
    ended, _ = run(keeping, farm)
    assert ended.kept
    before = keeping.load()
    code, said = attach(keeping, farm, monkeypatch)
    assert code == 0 and list(farm.running) == ["i-0"] and keeping.load() == before
    assert f"kept until {clock(ended.kept.until)}" in said and f"cloudrender cancel {keeping.job_id}" in said
    assert "To log in: `ssh u@127.0.0.1`" in said and "is complete" in said


def test_attach_ends_the_machine_of_a_complete_job_whose_time_is_over(
    keeping: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = FakeFarm([render_all])
    run(keeping, farm)
    record = keeping.load()
    assert record.machine
    keeping.save(replace(record, machine=replace(record.machine, ends_at=time.time() - 1)))
    assert attach(keeping, farm, monkeypatch)[0] == 0
    assert farm.running == {} and keeping.load().status is Status.SUCCEEDED


def in_turn(*scripts: Script) -> Script:
    """Return the script of a machine that does one thing after another each time it is begun on."""
    following = iter(scripts)
    return lambda plan: next(following)(plan)  # noqa: PLW0108 - the next at each call


@pytest.fixture
def failed(keeping: JobFolder) -> tuple[JobFolder, FakeFarm]:
    """A job that failed after its first frame, ten minutes after the launch of the machine, which is kept."""
    farm = FakeFarm([in_turn(fail, render_all, render_all), render_all])
    launch = farm.launch
    farm.launch = lambda machine: replace(launch(machine), launched_at=time.time() - 600)  # type: ignore[method-assign]
    assert run(keeping, farm)[0].kept
    farm.launch = launch  # type: ignore[method-assign]
    spec = keeping.load().spec
    spec.project.mkdir()
    (spec.project / spec.blend).touch()
    return keeping, farm


def test_attach_renders_missing_frames_on_the_machine_that_is_kept(
    failed: tuple[JobFolder, FakeFarm], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, farm = failed
    code, said = attach(folder, farm, monkeypatch)
    assert code == 0 and list(farm.running) == ["i-0"] and len(farm.launched) == 1
    assert "no launch, no boot" in said and "Ending the machine" not in said and "Booting" not in said
    record = folder.load()
    assert len(folder.saved_frames(record.spec.output)) == len(FRAMES)
    assert (record.status, record.error, record.launches) == (Status.KEPT, "", 1)
    assert farm.extended["i-0"][0] > 3600  # it was only to be kept


def test_what_it_cost_is_counted_once(failed: tuple[JobFolder, FakeFarm]) -> None:
    folder, farm = failed
    before = folder.load().machine
    ended, events = run(folder, farm)
    assert ended.cost_usd == pytest.approx(0.06, rel=0.02) == summarize(folder).cost_usd
    [taken] = [event for event in events if isinstance(event, ev.MachineTakenOver)]
    shown = Progress(total=3, started=0, machine=before).after(taken)
    assert shown.cost_usd(time.time()) == pytest.approx(0.06, rel=0.02)


def test_each_time_it_is_emptied(failed: tuple[JobFolder, FakeFarm]) -> None:
    folder, farm = failed
    for _ in range(2):
        assert run(folder, farm)[0].error is None
        (folder.load().spec.output / "0002.png").unlink()
    assert len(set(farm.begun)) == 2 and len(farm.launched) == 1  # by another name, or nothing would be removed


@pytest.mark.parametrize("dies_at", ["begin", "extend"])
def test_who_dies_meanwhile_can_go_on(failed: tuple[JobFolder, FakeFarm], dies_at: str) -> None:
    folder, farm = failed

    def die(call: str) -> None:
        if call == dies_at:
            raise Killed

    farm.on_call = die
    with pytest.raises(Killed):
        run(folder, farm)
    farm.on_call = lambda _call: None
    assert summarize(folder).cost_usd == pytest.approx(0.06, rel=0.02) and list(farm.running) == ["i-0"]
    ended, _ = run(folder, farm)
    assert ended.kept and ended.frames == FRAMES and len(farm.launched) == 1


@pytest.mark.parametrize("why", ["gone", "busy", "too dear"])
def test_attach_rents_another_machine_if_the_kept_one_will_not_do(
    failed: tuple[JobFolder, FakeFarm], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    folder, farm = failed
    if why == "gone":
        farm.running.clear()
    elif why == "busy":
        farm.begin_error = MachineError("It failed", details=("the job before is still rendering",))
    else:
        with_settings(folder, max_cost=0.061)
    code, said = attach(folder, farm, monkeypatch)
    if why == "too dear":
        assert code == 1 and "cost limit" in said and farm.running == {} and folder.load().status is Status.FAILED
        return
    assert code == 0 and list(farm.running) == ["i-1"] and "The machine that was kept is not used: " in said
    assert folder.load().spent_usd == pytest.approx(0.06, rel=0.02)


def test_attach_ends_a_machine_whose_time_is_over_and_rents_another(
    failed: tuple[JobFolder, FakeFarm], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, farm = failed
    record = folder.load()
    assert record.machine
    folder.save(replace(record, machine=replace(record.machine, ends_at=time.time() - 1)))
    assert run(folder, farm)[0].status is Status.FAILED and farm.running == {} and not farm.begun  # as Blender does
    assert attach(folder, farm, monkeypatch)[0] == 0 and list(farm.running) == ["i-1"]


def test_who_cancels_meanwhile_ends_it(failed: tuple[JobFolder, FakeFarm]) -> None:
    folder, farm = failed
    token = CancelToken()
    farm.on_call = lambda _call: token.cancel()
    ended, _ = run(folder, farm, token)
    assert ended.status is Status.CANCELLED and farm.running == {} and folder.load().machine is None


def test_a_clean_up_that_fails_after_the_keeping_stays_open(keeping: JobFolder) -> None:
    farm = FakeFarm([render_all])
    run(keeping, farm)
    farm.release_error = unclean()
    ended, _ = run(keeping, farm)
    assert ended.status is Status.CLEANING_UP and keeping.load().open
    farm.release_error = None
    assert run(keeping, farm)[0].status is Status.SUCCEEDED


def test_it_never_lives_longer_than_it_would_have(folder: JobFolder) -> None:
    farm = FakeFarm([render_all])
    ended, _ = run(with_settings(folder, keep_minutes=600, max_hours=1), farm)
    assert ended.kept and ended.kept.until <= time.time() + 3600
    assert 3590 < farm.kept["i-0"] <= 3600


def test_its_cost_is_reckoned_to_its_end_and_no_further(keeping: JobFolder) -> None:
    run(keeping, FakeFarm([render_all]))
    record = keeping.load()
    machine = record.machine
    assert machine and machine.launched_at and machine.ends_at
    days = 864_000
    long_ago = replace(machine, launched_at=machine.launched_at - days, ends_at=machine.ends_at - days)
    keeping.save(replace(record, machine=long_ago))
    assert summarize(keeping).cost_usd == pytest.approx(0.36 * 1800 / 3600, rel=0.01)


def test_a_cancelled_jobs_machine_is_not_kept(keeping: JobFolder) -> None:
    cancel = CancelToken()

    def script(_plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        cancel.cancel()
        yield None

    farm = FakeFarm([script])
    ended, _ = run(keeping, farm, cancel)
    assert ended.status is Status.CANCELLED and ended.kept is None and farm.running == {} and not farm.kept


def test_a_machine_that_cannot_be_told_is_ended(keeping: JobFolder) -> None:
    farm = FakeFarm([render_all], keep_error=MachineError("no agent"))
    ended, events = run(keeping, farm)
    assert (ended.status, ended.kept, farm.running) == (Status.SUCCEEDED, None, {})
    assert "The machine is not kept: no agent" in [e.text for e in events if isinstance(e, ev.Notice)]
