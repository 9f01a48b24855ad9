# SPDX-License-Identifier: GPL-3.0-or-later
"""The zips as `make build` makes them, built once for all tests, and an AWS to ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import pytest

from scripts.extension.build import build_zip
from scripts.extension.platforms import PLATFORMS
from tests.aws.aws_stage import serve
from tests.extension.blender_host import VERSIONS, Blender, blender


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Path]:
    """Give the zip of each platform by the platform's name."""
    shared = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    folder = shared / "archives"
    with filelock.FileLock(f"{folder}.lock"):
        if not (stamp := folder / ".complete").exists():
            for platform in PLATFORMS:
                build_zip(platform, folder)
            stamp.touch()
    return {platform.name: next(folder.glob(f"*-{platform.name}.zip")) for platform in PLATFORMS}


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    with serve() as front:
        yield front.endpoint


@pytest.fixture
def open_blender(tmp_path: Path, endpoint: str) -> Callable[[str], Blender]:
    """Give the test Blenders of any version with one and the same, at first empty, user folder."""
    return lambda version: blender(version, tmp_path, endpoint=endpoint)


@pytest.fixture(params=VERSIONS)
def host(request: pytest.FixtureRequest, open_blender: Callable[[str], Blender]) -> Blender:
    return open_blender(request.param)
