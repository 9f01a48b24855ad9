# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a running job keeps its books: the record in memory and on disk, the status, the time each phase took."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..errors import RecordError
from . import events as ev
from .collect import Collector
from .folder import JobFolder
from .limits import seconds_left
from .record import JobRecord
from .spec import JobSpec
from .status import Status

_log = logging.getLogger(__name__)


class Ledger:
    """The books of one job; `report` hears of every change of status. Used by the job's thread alone."""

    def __init__(self, folder: JobFolder, report: ev.Reporter) -> None:
        self.report = report
        self.record = folder.load()
        self.phases: dict[Status, float] = {}
        """Seconds spent in each status so far."""
        self._folder = folder
        self._entered = (Status.PENDING, time.monotonic())
        self.collector = Collector(folder, frames=self.spec.frames, output=self.spec.output)

    @property
    def spec(self) -> JobSpec:
        return self.record.spec

    def missing(self) -> tuple[int, ...]:
        """Return the frames that are neither here nor set aside."""
        settled = self.collector.saved.keys() | self.record.failed_frames.keys()
        return tuple(frame for frame in self.spec.frames if frame not in settled)

    def suspect(self, frames: Iterable[int]) -> None:
        """Hold it against frames that a machine was lost, unexplained, while it rendered them; twice is too often."""
        wanted = set(self.missing())
        for frame in wanted.intersection(frames):
            if frame in self.record.suspects:
                reason = "Two machines were lost while they rendered it"
                self.set_aside(frame, reason)
                self.report(ev.FrameFailed(at=time.time(), frame=frame, reason=reason))
            else:
                self.save(suspects=(*self.record.suspects, frame))

    def check_limits(self) -> None:
        """Raise `RenderError` when the job's time or money is used up."""
        seconds_left(self.record)

    def enter(self, status: Status) -> None:
        """Go on to another status."""
        previous, since = self._entered
        if status is previous:
            return
        now = time.monotonic()
        self.phases[previous] = self.phases.get(previous, 0.0) + now - since
        self._entered = (status, now)
        _log.info("%s", status.value)
        self.note(status=status)
        self.report(ev.StatusChanged(at=time.time(), status=status))

    def say(self, text: str) -> None:
        """Tell the user something worth knowing."""
        self.report(ev.Notice(at=time.time(), text=text))

    def set_aside(self, frame: int, text: str) -> None:
        """Give a frame up: the reason, then the end of Blender's log."""
        self.save(failed_frames={**self.record.failed_frames, frame: text})

    def save(self, **changes: Any) -> None:
        """Change the record, on disk when this returns. Raises `RecordError`."""
        self.put(replace(self.record, **changes))

    def put(self, record: JobRecord) -> None:
        """Put another record of this job in place, on disk when this returns. Raises `RecordError`."""
        self.record = record
        self._folder.save(record)

    def note(self, **changes: Any) -> None:
        """Change the record where a full disk must not stop the job, least of all its clean-up."""
        try:
            self.save(**changes)
        except RecordError:
            _log.warning("the record could not be written", exc_info=True)
