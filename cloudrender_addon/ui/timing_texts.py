# SPDX-License-Identifier: GPL-3.0-or-later
"""How the machines of a job got to their first frame, in words: pure functions of what is known. No bpy here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..backend.job.timing import MachineTiming

_STEPS = {
    "running": "Running",
    "answers": "Answers",
    "agent": "Agent",
    "driver": "Driver",
    "blender": "Blender",
    "files": "Files",
    "first_sample": "First Sample",
    "first_frame": "First Frame",
}


@dataclass(frozen=True, kw_only=True)
class TimingRow:
    """A step: its name, when it was since the beginning, and how long after the one before ("": it is to come)."""

    name: str
    at: str
    took: str


@dataclass(frozen=True, kw_only=True)
class TimingTable:
    """The steps of one machine, what it began with, and what is worth a word of that ("" if nothing is)."""

    title: str
    image: str
    rows: tuple[TimingRow, ...]
    hint: str = ""


def tables(
    timings: Iterable[MachineTiming], *, running: tuple[str, float] | None, now: float
) -> tuple[TimingTable, ...]:
    """Put the timings of a job's machines into words. `running` is the one it has now; `now` is epoch seconds."""
    return tuple(_table(each, live=each.key == running, now=now) for each in timings)


def _table(timing: MachineTiming, *, live: bool, now: float) -> TimingTable:
    rows = [TimingRow(name="Taken Over" if timing.kept_by else "Launch", at=_clock(0.0), took="–")]
    rows += [TimingRow(name=_STEPS[step.name], at=_clock(step.at), took=_clock(step.took)) for step in timing.steps()]
    coming = next((name for name in _STEPS if _is_due(timing, name)), None)
    if live and coming:
        rows.append(TimingRow(name=_STEPS[coming], at=f"{max(now - timing.began, 0.0):.0f} s…", took=""))
    return TimingTable(
        title=timing.instance_type,
        image=_image(timing),
        rows=tuple(rows),
        hint=_hint(timing),
    )


def _is_due(timing: MachineTiming, name: str) -> bool:
    """Tell whether a step is still to come: those before the last one that was taken will not be heard of any more."""
    order = list(_STEPS)
    side_by_side = {"driver", "blender", "files"}
    later = set(order[order.index(name) + 1 :]) - side_by_side
    if name == "driver" or (timing.kept_by and name in ("running", "answers")):
        return False  # never, or seldom
    return name not in timing.seconds and not later & timing.seconds.keys()


def _clock(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def _image(timing: MachineTiming) -> str:
    if timing.kept_by:
        return "Kept before: no launch, no boot"
    if timing.image_origin == "public":
        return "AWS's image"
    return f"{'Your image' if timing.image_origin == 'own' else 'Image'} {timing.image_id}"


def _hint(timing: MachineTiming) -> str:
    from ..backend.job.timing import WORTHWHILE_SECONDS  # noqa: PLC0415 - of no use before the first job

    if timing.alone:
        return "It waited for this computer meanwhile, which is in these times"
    saved = timing.an_image_saves
    if saved is None or saved < WORTHWHILE_SECONDS:
        return ""
    return f"An image of your own would have saved {texts.about(saved)} here: Build Image in the preferences"
