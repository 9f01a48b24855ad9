# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a job as a face shows it: a pure fold over its events, with time and money worked out on asking."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..farms.base import Machine
from . import events as ev
from .cost import machine_cost
from .status import Status


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a job stands. Times are epoch seconds, money is USD."""

    total: int
    started: float
    done: int = 0
    failed: int = 0
    status: Status = Status.PENDING
    machine: Machine | None = None
    spent_usd: float = 0.0
    sent: int = 0
    to_send: int = 0
    rendering_since: float | None = None
    done_before_rendering: int = 0
    received: int = 0
    weighed: int = 0
    """Bytes of frames that came since this progress was begun, and how many frames they are."""

    def after(self, event: ev.Event) -> Progress:
        """Return the progress once `event` has happened."""
        match event:
            case ev.StatusChanged(status=Status.RENDERING) if self.status is not Status.RENDERING:
                return replace(self, status=Status.RENDERING, rendering_since=event.at, done_before_rendering=self.done)
            case ev.StatusChanged(status=status):
                return replace(self, status=status)
            case ev.MachineLaunched(machine=machine) | ev.MachineTakenOver(machine=machine):
                # One that this job itself had kept is paid anew from now on: what it cost before is spent.
                return replace(self, machine=machine, spent_usd=self.cost_usd(machine.paid_from or event.at))
            case ev.MachineReleased(machine=machine):
                spent = self.spent_usd + machine_cost(machine, until=event.at)
                return replace(self, machine=None, spent_usd=spent)
            case ev.BytesSent(sent=sent, total=total):
                return replace(self, sent=sent, to_send=total)
            case ev.FrameSaved(size=size):
                weighed = self.weighed + (size > 0)
                return replace(self, done=self.done + 1, received=self.received + size, weighed=weighed)
            case ev.FrameFailed():
                return replace(self, failed=self.failed + 1)
        return self

    def cost_usd(self, now: float) -> float:
        """Return what the job has cost up to `now`."""
        return self.spent_usd + (machine_cost(self.machine, until=now) if self.machine else 0.0)

    def seconds_left(self, now: float) -> float | None:
        """Estimate the rendering time left from the pace on this machine; None before its first frame."""
        done = self.done - self.done_before_rendering
        if self.rendering_since is None or done <= 0:
            return None
        return (now - self.rendering_since) / done * (self.total - self.done - self.failed)
