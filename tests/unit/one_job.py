"""One job over a farm in memory, driven as a client does."""

from __future__ import annotations

import time
from pathlib import Path

from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.record import JobRecord
from cloudrender_addon.backend.job.runner import JobRunner
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.settings import Settings
from tests.unit.fakes import FakeFarm

FRAMES = (1, 2, 3)


class Killed(BaseException):
    """What SIGKILL looks like from inside: nothing after it runs."""


def make_job(home: Path) -> JobFolder:
    """Return the folder of a new job in a store below `home`."""
    spec = JobSpec(
        job_id="20260101-000000-abcd",
        project=home / "project",
        blend="robot.blend",
        frames=FRAMES,
        output=home / "out",
        blender="4.2",
        autoexec=False,
        settings=Settings(home=home / "home", wait_minutes=0),
    )
    return JobStore(home / "home").create(JobRecord(spec=spec, started=time.time()))


def run(folder: JobFolder, farm: FakeFarm, cancel: CancelToken | None = None) -> tuple[ev.JobEnded, list[ev.Event]]:
    events: list[ev.Event] = []
    runner = JobRunner(
        folder,
        farm=farm,
        bundle=lambda: Bundle(root=Path(), files=()),
        report=events.append,
        cancel=cancel or CancelToken(),
    )
    ended = runner.run()
    assert [e for e in events if isinstance(e, ev.JobEnded)] == [ended] == events[-1:]
    return ended, events


def statuses(events: list[ev.Event]) -> list[Status]:
    return [e.status for e in events if isinstance(e, ev.StatusChanged)]
