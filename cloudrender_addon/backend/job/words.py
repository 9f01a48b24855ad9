# SPDX-License-Identifier: GPL-3.0-or-later
"""Time, money and the share that is done, as every face writes them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .status import Status

if TYPE_CHECKING:
    from .progress import Progress
    from .timing import MachineTiming


def format_seconds(seconds: float) -> str:
    """Write a duration as a clock does: 0:07, 12:34, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def image_of(timing: MachineTiming) -> str:
    """Name what a machine began with: "AWS's image (ami-1)"."""
    whose = {"public": "AWS's image", "own": "your image", "given": "image"}.get(timing.image_origin, "image")
    return f"{whose} ({timing.image_id})"


def worth_a_word(usd: float | None) -> bool:
    """Tell whether an amount is known and half a cent at least: what is less, nobody wants to read of."""
    return usd is not None and usd >= 0.005


def clock(moment: float) -> str:
    """Write a moment (epoch seconds) as the clock on the wall shows it: 14:05."""
    return time.strftime("%H:%M", time.localtime(moment))


def fraction_done(progress: Progress) -> float:
    """Return how much of its phase is done, 0 to 1: of the bytes while uploading, else of the frames."""
    if progress.status is Status.UPLOADING and progress.to_send:
        return progress.sent / progress.to_send
    return (progress.done + progress.failed) / progress.total
