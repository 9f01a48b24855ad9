# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a job of the campaign, and in words for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one job. `lost` frames are neither here nor named by an error; `left` machines still run."""

    seed: int
    violation: str
    story: tuple[str, ...]
    faults: Counter[str]
    asked: int
    here: int
    lost: int
    rendered: int
    machines: int
    left: int
    seconds: float


def told(outcome: Outcome) -> str:
    """Return the story of a job, the promise it broke, and how to run it again."""
    lines = [f"\nJob of seed {outcome.seed}", *outcome.story]
    if outcome.violation:
        lines += [f"BROKEN: {outcome.violation}", f"Again: make campaign N=1 SEED={outcome.seed}"]
    return "\n".join(lines)


def summary(outcomes: Iterable[Outcome], *, seconds: float) -> str:
    """Return the one line that says it all."""
    every = list(outcomes)
    faults: Counter[str] = sum((outcome.faults for outcome in every), Counter())
    kinds = ", ".join(f"{kind} {count}" for kind, count in faults.most_common())
    asked, here = sum(o.asked for o in every), sum(o.here for o in every)
    return (
        f"{len(every)} jobs, {sum(bool(o.violation) for o in every)} with a broken promise; "
        f"{faults.total()} faults ({kinds}); "
        f"{asked} frames asked for, {here} here, {sum(o.lost for o in every)} lost; "
        f"{sum(o.machines for o in every)} machines rented, {sum(o.left for o in every)} left; {seconds:.0f} s"
    )
