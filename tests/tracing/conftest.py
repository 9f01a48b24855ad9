# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case in every Blender: `reports` has what one process per version found."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent


@pytest.fixture(scope="session", params=["4.2.23", "4.5.15", "5.0.1"])
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def reports(blender_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What was found: case → report (see `in_blender.py`)."""
    folder = tmp_path_factory.mktemp("cases")
    done = subprocess.run(
        [blender_python, _HERE / "in_blender.py", folder],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/report.json")}
    for report in found.values():
        assert "failed" not in report, report["failed"]
    return found
