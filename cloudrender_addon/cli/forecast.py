# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a job will probably take, as soon as its price is known and nothing is spent yet."""

from __future__ import annotations

from collections.abc import Callable

from ..backend.errors import CloudrenderError
from ..backend.job import events as ev
from ..backend.job.estimate import OVERHEAD_SECONDS, Estimate, Pace, estimate
from ..backend.job.frames import counted
from ..backend.job.progress import Progress
from ..backend.job.words import format_seconds, worth_a_word
from .display import Display


class Forecasting:
    """Passes everything on to another display, and adds the estimate. `pace` tells what a frame takes."""

    def __init__(self, display: Display, *, pace: Callable[[], Pace | None]) -> None:
        self._display = display
        self._pace = pace

    def show(self, event: ev.Event, progress: Progress) -> None:
        self._display.show(event, progress)
        if isinstance(event, ev.MachinePlanned | ev.MachineTakenOver):
            planned = isinstance(event, ev.MachinePlanned)
            frames = progress.total - progress.done - progress.failed
            expected = estimate(
                frames=frames,
                hourly_usd=event.machine.hourly_usd,
                pace=self._pace(),
                overhead_seconds=OVERHEAD_SECONDS if planned else 0.0,
            )
            self._display.say(describe_estimate(expected, frames=frames))

    def tick(self, progress: Progress) -> None:
        self._display.tick(progress)

    def say(self, text: str) -> None:
        self._display.say(text)

    def error(self, error: CloudrenderError) -> None:
        self._display.error(error)

    def close(self) -> None:
        self._display.close()


def describe_estimate(expected: Estimate, *, frames: int) -> str:
    """Put an estimate into one line."""
    if expected.seconds is None or expected.usd is None:
        return "How long a frame takes is not known yet: this file was not rendered on such a machine before"
    data = expected.data_out_usd
    more = f", and up to ${data:.2f} more for data out" if worth_a_word(data) else ""
    return (
        f"{counted(frames)} will take about {format_seconds(expected.seconds)} and ${expected.usd:.2f}{more}, "
        "going by the last render of this file"
    )
