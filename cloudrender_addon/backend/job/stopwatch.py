# SPDX-License-Identifier: GPL-3.0-or-later
"""Note how long each machine of a running job takes to its first frame (see timing.py), and tell of it."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from ..clock import now
from ..farms.base import Machine
from . import events as ev
from .folder import JobFolder
from .timing import MachineTiming, note, timing_of, timings

_SEEN_BY_CLIENTS = ("running", "answers")
"""Of these the machine says nothing: whoever comes later cannot tell when they were."""

_log = logging.getLogger(__name__)


class Stopwatch:
    """A Reporter that turns `StepTaken` into `MachineTimed`, and passes all else on. Used by the job's thread alone."""

    def __init__(self, folder: JobFolder, report: ev.Reporter) -> None:
        self._folder = folder
        self._report = report
        self._timing: MachineTiming | None = None
        self._resumed_at: float | None = None
        """Since when this client goes on with a machine that one before it had; None for one it got itself."""

    def __call__(self, event: ev.Event) -> None:
        """Note the event's time and pass it on."""
        match event:
            case ev.StepTaken(step=step, moment=moment, blender_from=blender_from):
                self._take(step, moment, blender_from)
                return
            case ev.MachineLaunched(machine=machine):
                self._begin(timing_of(machine))
            case ev.MachineTakenOver(machine=machine, kept_by=kept_by):
                self._begin(timing_of(machine, kept_by=kept_by))
            case ev.MachineResumed(machine=machine, kept_by=kept_by):
                self._go_on(machine, kept_by)
            case ev.MachineReleased():
                self._timing = None
        self._report(event)

    def _begin(self, timing: MachineTiming) -> None:
        self._resumed_at = None
        self._note(timing)

    def _go_on(self, machine: Machine, kept_by: str) -> None:
        """Go on with what the client before has noted of the machine it left."""
        fresh = timing_of(machine, kept_by=kept_by)
        if self._timing is None or self._timing.key != fresh.key:  # else it is this client that has just got it
            noted = {timing.key: timing for timing in timings(self._folder)}
            self._timing, self._resumed_at = noted.get(fresh.key, fresh), now()

    def _take(self, step: str, moment: float, blender_from: str) -> None:
        timing, since = self._timing, self._resumed_at
        if timing is None or step in timing.seconds or (since is not None and step in _SEEN_BY_CLIENTS):
            return
        timing = replace(
            timing.with_step(step, moment),
            blender_from=timing.blender_from or blender_from,
            alone=timing.alone or (step == "files" and since is not None and moment > since),
        )
        self._note(timing)
        self._report(ev.MachineTimed(at=time.time(), timing=timing))

    def _note(self, timing: MachineTiming) -> None:
        """Keep what is known, and write it down, which must not stop the job."""
        self._timing = timing
        try:
            note(self._folder, timing)
        except OSError:
            _log.warning("the times of %s could not be written", timing.instance_id, exc_info=True)
