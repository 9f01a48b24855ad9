"""A driver lets go of its job: the job goes on, and another driver finds everything as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cloudrender_addon.backend.cancel import CancelToken, Wish
from cloudrender_addon.backend.errors import Cancelled, CloudrenderError, Detached
from cloudrender_addon.backend.farms.link import RenderPlan
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.jobs import reopen
from tests.unit.fakes import FakeFarm, frame_event
from tests.unit.one_job import FRAMES, run


def test_a_driver_that_lets_go_leaves_the_machine_and_the_record(folder: JobFolder) -> None:
    token = CancelToken()

    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        token.leave()
        yield None  # a heartbeat, at which it is heard
        yield frame_event(2)
        yield frame_event(3)
        yield {"event": "finished"}

    farm = FakeFarm([script])
    ended, _ = run(folder, farm, token)
    assert isinstance(ended.error, Detached) and ended.status is Status.RENDERING
    assert folder.load().machine is not None and list(farm.running) == ["i-0"]
    assert folder.keys.is_dir()

    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and ended.frames == FRAMES
    assert len(farm.launched) == 1 and not farm.running
    assert farm.fetched.count("0001.png") == 1


def test_a_wish_to_end_the_job_prevails_over_one_to_let_go() -> None:
    token = CancelToken()
    token.leave()
    with pytest.raises(Detached):
        token.check()
    token.cancel()
    token.leave()
    with pytest.raises(Cancelled):
        token.sleep(30)


def test_only_a_keeper_is_asked_to_hand_over(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudrender_addon.backend.cancel._PROBE_SECONDS", 0.05)
    assert reopen(folder)
    assert not folder.request_handover() and folder.wish() is Wish.GO_ON
    assert reopen(folder, keeper=True)
    token = CancelToken(probe=folder.wish)
    asking = threading.Timer(0.05, folder.request_handover)
    asking.start()
    with pytest.raises(Detached):
        token.sleep(30)
    folder.request_cancel()
    assert folder.wish() is Wish.CANCEL
    assert reopen(folder)
    assert folder.wish() is Wish.GO_ON and not folder.request_handover()


def test_a_job_that_could_not_be_begun_is_over_and_one_that_rents_something_is_not(folder: JobFolder) -> None:
    error = CloudrenderError("No region is set", hint="Set one")
    folder.give_up(error)
    record = folder.load()
    assert (record.status, record.error, record.hint) == (Status.FAILED, "No region is set", "Set one")
    folder.save(replace(record, status=Status.RENDERING))
    folder.give_up(error)
    assert folder.load().status is Status.RENDERING
