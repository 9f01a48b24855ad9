# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench [NAME] [--help]`: all when none is named (`make bench`).

Every figure is of two things measured side by side in one run on this computer: ratios travel, seconds do not.
"""

from __future__ import annotations

import sys

from bench import bundle, enable, interruption, jobs, launch, snapshot, transfer, viewport

BENCHES = {
    "enable": enable.main,
    "snapshot": snapshot.main,
    "viewport": viewport.main,
    "launch": launch.main,
    "jobs": jobs.main,
    "interruption": interruption.main,
    "transfer": transfer.main,
    "bundle": bundle.main,
}


def main() -> None:
    """Run what is asked for."""
    name, *arguments = sys.argv[1:] or ["all"]
    if name != "all" and name not in BENCHES:
        sys.exit(f"{__doc__}\nNames: {', '.join(BENCHES)}")
    for chosen in BENCHES if name == "all" else (name,):
        print(f"\n{chosen}", flush=True)
        BENCHES[chosen](arguments)


if __name__ == "__main__":
    main()
