# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a job will take and what it will cost: before it starts from earlier jobs, then from its own pace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import RecordError
from .cost import MINIMUM_BILLED_SECONDS
from .progress import Progress
from .status import Status
from .store import JobStore

OVERHEAD_SECONDS = 180.0
"""A rule of thumb for what a machine costs beside its frames: booting, Blender's download, its kernels, the end."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a job will probably take. `seconds` and `usd` are None while nobody knows how long a frame takes."""

    hourly_usd: float
    seconds: float | None
    usd: float | None


def estimate(*, frames: int, hourly_usd: float, seconds_per_frame: float | None, overhead_seconds: float) -> Estimate:
    """Estimate time (seconds) and cost (USD) of rendering that many frames on one machine."""
    if seconds_per_frame is None:
        return Estimate(hourly_usd=hourly_usd, seconds=None, usd=None)
    seconds = overhead_seconds + frames * seconds_per_frame
    return Estimate(hourly_usd=hourly_usd, seconds=seconds, usd=_cost(seconds, hourly_usd))


def remembered_pace(store: JobStore, *, blend: Path, instance_type: str) -> float | None:
    """Return the seconds a frame took in the latest job of the same file on the same machine type; None without one.

    Only frames that are still in their output folder count. Reads the records of all jobs at worst.
    """
    for folder in reversed(store.folders()):
        try:
            spec = folder.load().spec
        except RecordError:  # a damaged record is somebody else's business
            continue
        if spec.settings.instance_type != instance_type or spec.project / spec.blend != blend:
            continue
        if saved := folder.saved_frames(spec.output):
            return sum(frame.seconds for frame in saved.values()) / len(saved)
    return None


def projected_usd(progress: Progress, now: float) -> float | None:
    """Return what the job will have cost at its end, if it goes on at its pace.

    None unless it is rendering, and before the first frame of the machine it is on.
    """
    left = progress.seconds_left(now)
    if left is None or progress.machine is None or progress.status is not Status.RENDERING:
        return None
    return progress.cost_usd(now) + progress.machine.hourly_usd * left / 3600


def _cost(seconds: float, hourly_usd: float) -> float:
    return hourly_usd * max(seconds, MINIMUM_BILLED_SECONDS) / 3600
