# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender with the extension enabled straight from this folder, to run a script of these tests in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

VERSIONS = ("4.2.23", "4.5.15", "5.0.1")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev"
_ROOT = Path(__file__).parents[2]

_ICONS = re.compile(r".*no icon for icon ID: \d+")
"""There are none without a window."""


def run_in_blender(version: str, home: Path, script: str, *, seconds: float = 120) -> Any:
    """Run a script of this folder and return what it reports; a complaint of Blender's fails the test.

    The script is given the path of a JSON file to report in, and ends the process with `os._exit`. Skips where this
    Blender is not installed.
    """
    if not (_CACHE / f"bpy-{version}" / ".complete").exists():
        pytest.skip(f"Blender {version} is not here: scripts/get-blender.sh {version}")
    _install(home / "blender" / "extensions" / "user_default" / "cloudrender")
    report = home / "report.json"
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "BLENDER_", "CLOUDRENDER_", "PYTHON", "XDG_"))
    }
    environ |= {"HOME": str(home), "BLENDER_USER_RESOURCES": str(home / "blender"), "PYTHONWARNINGS": "error"}
    environ["PANEL_TEST_PACKAGES"] = sysconfig.get_path("purelib")
    python = _CACHE / f"bpy-{version}" / "bin" / "python"
    done = subprocess.run(
        [python, Path(__file__).with_name(script), report],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if not _ICONS.fullmatch(line)]
    assert done.returncode == 0 and not said, "\n".join(said)
    return json.loads(report.read_text(encoding="utf-8"))


def _install(folder: Path) -> None:
    """Lay out the extension as its zip does, without wheels."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in (_ROOT / "cloudrender_addon").iterdir():
        if not (folder / part.name).exists():
            (folder / part.name).symlink_to(part)
    manifest = (_ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    without_wheels = re.sub(r"^wheels = \[.*?^\]\n", "", manifest, flags=re.DOTALL | re.MULTILINE)
    (folder / "blender_manifest.toml").write_text(without_wheels, encoding="utf-8")
