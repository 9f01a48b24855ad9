# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender finds and installs the extension from the repository that `make repo` makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.extension.build import build_repository
from scripts.extension.manifest import package_version
from scripts.extension.platforms import PLATFORMS
from tests.extension.blender_host import Blender

pytestmark = pytest.mark.blender


def test_blender_installs_from_the_repository(
    open_blender: Callable[[str], Blender], archives: dict[str, Path], tmp_path: Path
) -> None:
    index = build_repository(archives.values(), tmp_path / "repo")
    entries = json.loads(index.read_text())["data"]
    assert sorted(entry["platforms"][0] for entry in entries) == sorted(platform.name for platform in PLATFORMS)
    assert {tuple(sorted(entry["python_versions"])) for entry in entries} == {("3.11", "3.13")}

    report = open_blender("4.2.23").run("from_repository.py", index.as_uri())
    assert report == {"version": package_version(), "enabled": True}
