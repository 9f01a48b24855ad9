# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a machine took from its launch to its first frame, step by step: what an image of one's own buys.

One line for each machine in the job's `timing.jsonl`, written by the client that launched it: it alone was there.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

from ..clock import now
from . import events as ev
from .folder import JobFolder

STEPS = MappingProxyType(
    {
        "running": "running",
        "answers": "answers",
        "agent": "agent started",
        "blender": "Blender ready",
        "first_sample": "first sample",
        "first_frame": "first frame here",
    }
)
"""The steps in their order, in words. `first_sample` is missing where the engine counts none."""

_FILE = "timing.jsonl"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class MachineTiming:
    """When a machine had come how far: seconds after its launch, by the names of `STEPS`."""

    instance_id: str
    instance_type: str
    image_id: str
    seconds: dict[str, float]


class Timed:
    """A Reporter that notes the times of what it passes on. Used by the job's thread alone."""

    def __init__(self, folder: JobFolder, report: ev.Reporter) -> None:
        self._folder = folder
        self._report = report
        self._launched_at = 0.0
        self._timing: MachineTiming | None = None

    def __call__(self, event: ev.Event) -> None:
        """Note the event's time and pass it on."""
        match event:
            case ev.MachineLaunched(machine=machine):
                self._launched_at = machine.launched_at or now()
                self._timing = MachineTiming(
                    instance_id=machine.instance_id or "",
                    instance_type=machine.offer.instance_type,
                    image_id=machine.offer.image_id,
                    seconds={},
                )
            case ev.StepTaken(step=step, moment=moment):
                self._note(step, moment)
            case ev.FrameSaved():
                self._note("first_frame", now())
                self._write()
            case ev.MachineReleased() | ev.JobEnded():
                self._write()
        self._report(event)

    def _note(self, step: str, moment: float) -> None:
        timing = self._timing
        if timing is not None and step not in timing.seconds:
            seconds = {**timing.seconds, step: round(max(0.0, moment - self._launched_at), 3)}
            self._timing = replace(timing, seconds=seconds)

    def _write(self) -> None:
        """Write what is known of the machine, once. It must not stop the job."""
        timing, self._timing = self._timing, None
        if timing is None:
            return
        try:
            with (self._folder.path / _FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(timing)) + "\n")
        except OSError:
            _log.warning("the times of %s could not be written", timing.instance_id, exc_info=True)


def timings(folder: JobFolder) -> tuple[MachineTiming, ...]:
    """Return the times of the job's machines, in order, as far as clients on this computer saw them start."""
    try:
        lines = (folder.path / _FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):  # a line cut short by a crash
            found.append(MachineTiming(**json.loads(line)))
    return tuple(found)
