# SPDX-License-Identifier: GPL-3.0-or-later
"""A job in a list of jobs: what its folder tells, without asking anybody else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..clock import now
from ..errors import RecordError
from .cost import cost_per_frame, machine_cost
from .estimate import Pace, pace_of
from .folder import JobFolder
from .handing_over import as_it_stands
from .status import Status
from .timing import MachineTiming, timings


@dataclass(frozen=True, kw_only=True)
class JobSummary:
    """Where a job stands by its record. `started` is epoch seconds, `cost_usd` what it has cost up to now.

    `status` is None for a record that cannot be read; `error` says why. `driven`: some client drives it right now.
    `open`: something of it may be running; `saved` of its `frames` are on this computer's disk, rendered at that
    `pace`, None before the first. `brought` are all that ever came, those that were deleted since included.
    `kept_until` (epoch seconds): the machine of an ended job is kept; `machine_went_to` is the job that took it over.
    `timings`: how long its machines took to their first frame.
    """

    job_id: str
    status: Status | None
    error: str = ""
    hint: str = ""
    open: bool = False
    driven: bool = False
    started: float = 0.0
    frames: int = 0
    saved: int = 0
    brought: int = 0
    pace: Pace | None = None
    cost_usd: float = 0.0
    blend: Path = Path()
    output: Path = Path()
    instance_type: str = ""
    instance_id: str | None = None
    kept_until: float | None = None
    machine_went_to: str = ""
    timings: tuple[MachineTiming, ...] = ()

    @property
    def cost_per_frame_usd(self) -> float | None:
        """What a frame has cost up to now, None before the first."""
        return cost_per_frame(self.cost_usd, frames=self.brought)

    @property
    def left_half_way(self) -> bool:
        """Whether the job waits for somebody to go on with it."""
        return self.open and not self.driven and self.kept_until is None

    @property
    def complete(self) -> bool:
        """Whether every frame is on disk."""
        return self.frames > 0 and self.saved == self.frames


def summarize(folder: JobFolder) -> JobSummary:
    """Read a job's folder. A damaged record is a summary too."""
    try:
        record = as_it_stands(folder, folder.load())
    except RecordError as error:
        return JobSummary(job_id=folder.job_id, status=None, error=error.message, hint=error.hint)
    machine, spec = record.machine, record.spec
    saved = folder.saved_frames(spec.output)
    return JobSummary(
        job_id=folder.job_id,
        status=record.status,
        error=record.error,
        hint=record.hint,
        open=record.open,
        driven=folder.locked(),
        started=record.started,
        frames=len(spec.frames),
        saved=len(saved),
        brought=len(folder.brought()),
        pace=pace_of(saved.values()),
        cost_usd=record.spent_usd + (machine_cost(machine, until=now()) if machine else 0.0),
        blend=spec.project / spec.blend,
        output=spec.output,
        instance_type=spec.settings.instance_type,
        instance_id=machine.instance_id if machine else None,
        kept_until=record.kept_until,
        machine_went_to="" if record.open else next(reversed(record.given.values()), ""),
        timings=timings(folder),
    )
