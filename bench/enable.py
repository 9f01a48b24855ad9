# SPDX-License-Identifier: GPL-3.0-or-later
"""What enabling the extension costs at every start of Blender, beside some of Blender's own add-ons.

Each time is of `addon_utils.enable` in a fresh process, the add-ons taking turns; the median of several, and the
least. "First" is the one time after the installation, when Python compiles the files. Modules must not be imported
that only jobs need. "Collecting" is not in the times: a search for garbage through all that Blender's scripts have
made, which strikes whoever is at work when Python's counts are full.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from bench.hosts import INSIDE, hosts
from bench.table import against, show
from tests.extension.blender_host import Blender

EXTENSION = "bl_ext.user_default.cloudrender"
OTHERS = ("node_wrangler", "viewport_vr_preview", "ui_translate")  # not enabled anyway
SLOW = {"boto3", "botocore", "paramiko", "cryptography"}
GOAL_MS = 30.0


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench enable", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="fresh processes per add-on")
    runs = parser.parse_args(arguments).runs
    rows = []
    with hosts() as blenders:
        for blender in blenders:
            rows.append(_row(blender, runs))
    show(("ms", "cloudrender", "goal", "least", "collecting", *OTHERS, "first", "modules", "slow ones"), rows)


def _row(blender: Blender, runs: int) -> tuple[str, ...]:
    first, _, imported = _enable(blender, EXTENSION)
    for name in OTHERS:  # compiled, too, before it counts
        _enable(blender, name)
    times: dict[str, list[float]] = {name: [] for name in (EXTENSION, *OTHERS)}
    collecting = []
    for _ in range(runs):
        for name, taken in times.items():
            milliseconds, aside, _ = _enable(blender, name)
            taken.append(milliseconds)
            if name == EXTENSION:
                collecting.append(aside)
    own, *others = (statistics.median(taken) for taken in times.values())
    least = min(times[EXTENSION])
    slow = sorted({name.partition(".")[0] for name in imported} & SLOW)
    goal = against(own, GOAL_MS, form="{:.0f}")
    return (
        f"Blender {blender.version}",
        f"{own:.1f}",
        goal,
        f"{least:.1f}",
        f"{statistics.median(collecting):.1f}",
        *(f"{other:.1f}" for other in others),
        f"{first:.1f}",
        str(len(imported)),
        ", ".join(slow) or "none ✓",
    )


def _enable(blender: Blender, module: str) -> tuple[float, float, list[str]]:
    """Return the milliseconds without and in the garbage collector's full searches, and the modules imported."""
    report = blender.run(str(INSIDE / "enable.py"), module)
    return (report["seconds"] - report["collecting"]) * 1000, report["collecting"] * 1000, report["imported"]
