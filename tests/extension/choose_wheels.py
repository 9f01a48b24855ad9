# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Blender which wheels it would install on each platform: choose_wheels.py WHEELS REPORT (JSON, both)."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path

import bpy  # noqa: F401 - brings bl_pkg

SYSTEMS = {
    "linux-x64": "linux-x86_64",
    "windows-x64": "win-amd64",
    "windows-arm64": "win-arm64",
    "macos-arm64": "macosx-11.0-arm64",
    "macos-x64": "macosx-11.0-x86_64",
}
"""What Python calls the system there."""


def main(question: Path, destination: Path) -> None:
    from bl_pkg.bl_extension_ops import _extensions_wheel_filter_for_this_system as choose

    answer = {}
    for platform, wheels in json.loads(question.read_text()).items():
        for python in ((3, 11, 0), (3, 13, 0)):
            sysconfig.get_platform = lambda name=SYSTEMS[platform]: name  # type: ignore[assignment, misc]
            sys.version_info = python  # type: ignore[assignment]
            answer[f"{platform} {python[0]}.{python[1]}"] = choose(wheels)
    destination.write_text(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    os._exit(0)  # some versions of the module crash while the interpreter winds down
