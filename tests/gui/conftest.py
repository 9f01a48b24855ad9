# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender with a window for each test, and the extension as it is shipped."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.extension.build import build_zip
from scripts.extension.platforms import PLATFORMS
from tests.gui.blender_window import BlenderWindow
from tests.gui.display import Display
from tests.gui.driver import Driver
from tests.localcloud.cloud import Cloud
from tests.localcloud.mirror import installed_blenders

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Display]:
    """Give all tests one screen."""
    with Display(tmp_path_factory.mktemp("display")) as screen:
        yield screen


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the extension's zip for this platform, as `make build` makes it."""
    folder = tmp_path_factory.mktemp("extension")
    build_zip(next(platform for platform in PLATFORMS if platform.name == "linux-x64"), folder)
    return next(folder.glob("*.zip"))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the sample scene, in a folder of its own."""
    folder = tmp_path_factory.mktemp("sample")
    python = installed_blenders()["4.2.23"] / "bin" / "python"
    subprocess.run([python, ROOT / "samples" / "make_sample.py", folder, "--percent", "40"], check=True, timeout=120)
    return folder / "sample.blend"


@pytest.fixture
def driver(display: Display, tmp_path: Path) -> Iterator[Driver]:
    """Give the test a Blender in clean user folders, not started yet."""
    blender = BlenderWindow(display, folder=tmp_path / "user", variables={})
    yield Driver(display, blender)
    blender.close()


@pytest.fixture
def project(tmp_path: Path, sample: Path) -> Path:
    """Give a project folder with the sample scene; return the .blend."""
    folder = tmp_path / "Robot Film"
    shutil.copytree(sample.parent, folder)  # with its textures
    return (folder / sample.name).rename(folder / "robot.blend")


@pytest.fixture
def studio(cloud: Cloud, display: Display, tmp_path: Path, extension: Path) -> Iterator[Driver]:
    """Give a Blender, not started yet, with the extension installed and enabled, whose AWS is the stand-in cloud."""
    # The records are the extension's own, as for every user.
    variables = {name: value for name, value in cloud.env().items() if name != "CLOUDRENDER_HOME"}
    blender = BlenderWindow(display, folder=tmp_path / "user", variables=variables)
    blender.install(extension)
    yield Driver(display, blender)
    blender.close()


def module(name: str) -> str:
    """Return Python that imports a module of the installed extension."""
    return f"__import__('importlib').import_module({json.dumps('bl_ext.user_default.cloudrender.' + name)})"
