# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own tool for extensions, which lies in the bpy wheel and runs on plain Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

VERSION = "5.0.1"
"""The newest Blender here: its tool checks most."""


class ToolError(Exception):
    """Blender's tool is not there, or said no."""


def run_tool(command: str, *arguments: str, version: str = VERSION) -> str:
    """Run one command of `blender_ext.py` and return what it printed. Raises `ToolError`."""
    scripts = _scripts(version)
    line = [sys.executable, str(scripts / "addons_core/bl_pkg/cli/blender_ext.py"), command, *arguments]
    if command in ("build", "validate"):
        line += ["--valid-tags", str(scripts / "modules/_bpy_internal/extensions/tags.py")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"Blender's tool says of {command}: {done.stdout}{done.stderr}".rstrip())
    return done.stdout


def _scripts(version: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev"
    series = version.rpartition(".")[0]
    scripts = cache / f"bpy-{version}" / "lib" / "python3.11" / "site-packages" / "bpy" / series / "scripts"
    if not scripts.is_dir():
        raise ToolError(f"Blender {version} is not here yet: scripts/get-blender.sh {version}")
    return scripts
