# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m scripts.extension build [PLATFORM…] | repo | fetch | lock"""

from __future__ import annotations

import argparse
import subprocess
import sys

from .blender_tool import ToolError
from .build import build_repository, build_zip
from .lock import renew
from .manifest import ROOT, listed_wheels
from .platforms import PLATFORMS
from .wheels import WheelError, fetch, wheels_for

DIST = ROOT / "dist"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.extension", description="Build the Blender extension.")
    parser.add_argument("command", choices=["build", "repo", "fetch", "lock"])
    parser.add_argument("platform", nargs="*", help="for build: only these")
    arguments = parser.parse_args()
    try:
        if arguments.command == "lock":
            renew()
            return 0
        if arguments.command == "fetch":  # what the others need, into the cache
            for platform in PLATFORMS:
                list(fetch(platform, wheels_for(platform, listed_wheels())))
            return 0
        archives = []
        for platform in PLATFORMS:
            if arguments.platform and platform.name not in arguments.platform:
                continue
            archives.append(build_zip(platform, DIST))
            print(f"{archives[-1].relative_to(ROOT)}  {archives[-1].stat().st_size / 1e6:.1f} MB")
        if arguments.command == "repo":
            print(build_repository(archives, DIST / "repo").relative_to(ROOT))
    except (ToolError, WheelError, ValueError, subprocess.CalledProcessError) as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
