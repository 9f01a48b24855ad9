# SPDX-License-Identifier: GPL-3.0-or-later
"""`make smoke-aws`: the short list against your real AWS account.

Uses the profile, region and settings of your environment and configuration file, as `cloudrender` does.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.cloud.command import ROOT, project_in
from tests.shortlist import CHECKS, SMALL


def main() -> int:
    """Ask, run every check, and return 0 if all passed."""
    print(f"This starts two {SMALL} spot machines in your AWS account, one after the other, for a few minutes.")
    print("It costs less than $0.05. Go on? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        print("Nothing was started")
        return 1
    os.environ["PYTHONPATH"] = str(ROOT)
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        with tempfile.TemporaryDirectory(prefix="cloudrender-smoke-") as folder, project_in(Path(folder)) as project:
            try:
                check(project)
            except AssertionError as error:
                failed += 1
                print(f"FAILED  {name}\n{error}")
            else:
                print(f"ok      {name}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
