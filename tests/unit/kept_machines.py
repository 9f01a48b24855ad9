# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of one user over one farm in memory, where a machine may be kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.record import JobRecord
from cloudrender_addon.backend.job.runner import JobRunner
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.settings import Settings
from tests.unit.fakes import FakeFarm, render_all

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


def taken(events: list[ev.Event]) -> list[str]:
    return [event.kept_by for event in events if isinstance(event, ev.MachineTakenOver)]


def notices(events: list[ev.Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, ev.Notice))
