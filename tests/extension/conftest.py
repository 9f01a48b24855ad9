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
from tests.extension.blender_host import VERSIONS, Blender, blender, moved
from tests.extension.scripting import Scripting, make_project
from tests.localcloud.cloud import Cloud


def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder that is the same for all processes of this run of the tests."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, Path]:
    """Give the zip of each platform by the platform's name."""
    folder = shared_folder(tmp_path_factory, worker_id) / "archives"
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


@pytest.fixture(scope="session")
def installed(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str, archives: dict[str, Path], endpoint: str
) -> Callable[[str], Blender]:
    """Give Blenders with the extension installed; of each version there is one user folder for all tests."""

    def install(version: str) -> Blender:
        home = shared_folder(tmp_path_factory, worker_id) / f"user-{version}"
        with filelock.FileLock(f"{home}.lock"):
            home.mkdir(exist_ok=True)
            ready = blender(version, home, endpoint=endpoint)
            if not (stamp := home / ".complete").exists():
                ready.run("install.py", archives["linux-x64"])
                stamp.touch()
        return ready

    return install


@pytest.fixture
def scripting(installed: Callable[[str], Blender], cloud: Cloud, tmp_path: Path) -> Iterator[Callable[..., Scripting]]:
    """Give the test Blenders of any version in which scripts run, on one project and in one account.

    With `own` the user folder is the test's: it may change what is installed.
    """
    project, made = make_project(tmp_path), []

    def make(version: str, *, own: bool = False) -> Scripting:
        host = installed(version)
        if own:
            host = moved(host, tmp_path / "user")
        (logs := tmp_path / version).mkdir()
        made.append(Scripting(host, project, logs))
        return made[-1]

    yield make
    for each in made:
        each.close()
