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
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.summary import summarize
from cloudrender_addon.backend.job.words import clock
from cloudrender_addon.cli import jobs
from cloudrender_addon.cli.display import LineDisplay
from tests.unit.fakes import FakeFarm, frame_event, render_all, unclean
from tests.unit.one_job import FRAMES, run


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


def test_attach_with_frames_missing_ends_the_machine_and_renders_them(
    keeping: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = FakeFarm([fail, render_all])
    run(keeping, farm)
    spec = keeping.load().spec
    spec.project.mkdir()
    (spec.project / spec.blend).touch()
    assert attach(keeping, farm, monkeypatch)[0] == 0
    assert list(farm.running) == ["i-1"] and len(keeping.saved_frames(spec.output)) == len(FRAMES)


def test_a_kept_machine_is_not_rendered_on(keeping: JobFolder) -> None:
    farm = FakeFarm([fail])
    run(keeping, farm)
    ended, _ = run(keeping, farm)
    assert ended.status is Status.FAILED and ended.kept is None and farm.running == {} and len(farm.launched) == 1


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
