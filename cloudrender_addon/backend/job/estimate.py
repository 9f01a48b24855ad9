# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a job will take and what it will cost: before it starts from earlier jobs, then from its own pace."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..errors import RecordError
from .cost import MINIMUM_BILLED_SECONDS, data_out_usd
from .progress import Progress
from .record import SavedFrame
from .status import Status
from .store import JobStore

OVERHEAD_SECONDS = 180.0
"""A rule of thumb for what a machine costs beside its frames: booting, Blender's download, its kernels, the end."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a frame took on average: seconds of rendering and bytes, None if no record says how many."""

    seconds: float
    size: float | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a job will probably take. `seconds` and `usd` are None while nobody knows how long a frame takes.

    `usd` is machine, disk and address; `data_out_usd` is what the frames' way back costs at most, None if not known.
    """

    hourly_usd: float
    seconds: float | None
    usd: float | None
    data_out_usd: float | None = None


def estimate(*, frames: int, hourly_usd: float, pace: Pace | None, overhead_seconds: float) -> Estimate:
    """Estimate time (seconds) and cost (USD) of rendering that many frames on one machine."""
    if pace is None:
        return Estimate(hourly_usd=hourly_usd, seconds=None, usd=None)
    seconds = overhead_seconds + frames * pace.seconds
    return Estimate(
        hourly_usd=hourly_usd,
        seconds=seconds,
        usd=_cost(seconds, hourly_usd),
        data_out_usd=None if pace.size is None else data_out_usd(frames * pace.size),
    )


def pace_of(saved: Collection[SavedFrame]) -> Pace | None:
    """Return the pace of these frames, None without any."""
    if not saved:
        return None
    sizes = [frame.size for frame in saved if frame.size is not None]
    return Pace(
        seconds=sum(frame.seconds for frame in saved) / len(saved), size=sum(sizes) / len(sizes) if sizes else None
    )


def remembered_pace(store: JobStore, *, blend: Path, instance_type: str) -> Pace | None:
    """Return the pace of the latest job of the same file on the same machine type; None without one.

    Only frames that are still in their output folder count. Reads the records of all jobs at worst.
    """
    for folder in reversed(store.folders()):
        try:
            spec = folder.load().spec
        except RecordError:  # a damaged record is somebody else's business
            continue
        if spec.settings.instance_type != instance_type or spec.project / spec.blend != blend:
            continue
        if pace := pace_of(folder.saved_frames(spec.output).values()):
            return pace
    return None


def projected_usd(progress: Progress, now: float) -> float | None:
    """Return what the job will have cost at its end, if it goes on at its pace.

    None unless it is rendering, and before the first frame of the machine it is on.
    """
    left = progress.seconds_left(now)
    if left is None or progress.machine is None or progress.status is not Status.RENDERING:
        return None
    return progress.cost_usd(now) + progress.machine.hourly_usd * left / 3600


def projected_data_out_usd(progress: Progress) -> float | None:
    """Return what the way back of all the job's frames costs at most, by those that came; None before the first."""
    if not progress.weighed:
        return None
    return data_out_usd(progress.received / progress.weighed * (progress.total - progress.failed))


def _cost(seconds: float, hourly_usd: float) -> float:
    return hourly_usd * max(seconds, MINIMUM_BILLED_SECONDS) / 3600
