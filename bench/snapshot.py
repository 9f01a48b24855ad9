# SPDX-License-Identifier: GPL-3.0-or-later
"""How long pressing Render blocks Blender for a large scene, beside a plain uncompressed save of a copy.

The two take turns in one process; the ratio is of medians. `make_job` is the snapshot with all that belongs to it: the
job's folder, record and output folder. "Checks" is the pre-flight that runs before it, as it is part of the wait.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from bench.hosts import INSIDE, hosts
from bench.table import against, show

GOAL = 1.1


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench snapshot", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500, help="size of the scene")
    parser.add_argument("--runs", type=int, default=7, help="saves of each kind")
    options = parser.parse_args(arguments)
    rows = []
    with hosts() as blenders:
        for blender in blenders:
            found = blender.run(str(INSIDE / "snapshot.py"), str(options.megabytes), str(options.runs))
            plain, job, checks = (statistics.median(found[name]) for name in ("plain", "job", "checks"))
            rows.append(
                (
                    f"Blender {blender.version}",
                    f"{found['bytes'] / 1e6:.0f} MB",
                    f"{plain:.2f} s",
                    f"{job:.2f} s",
                    f"{job / plain:.3f}",
                    against(job / plain, GOAL),
                    f"{checks * 1000:.1f} ms",
                )
            )
    show(("", "file", "plain save", "make_job", "ratio", "goal", "checks"), rows)
