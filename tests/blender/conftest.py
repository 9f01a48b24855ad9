# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the real Blenders of these tests are. One that is missing fails them: `make test` brings it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_WHEELS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev"


@pytest.fixture(scope="session", params=["4.2.23", "5.0.1"])
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def blender_python(version: str) -> Path:
    """The Python in which this version of Blender can be imported."""
    python = _WHEELS / f"bpy-{version}" / "bin" / "python"
    if not python.exists():
        pytest.fail(f"Blender {version} is not here: make blenders", pytrace=False)
    return python
