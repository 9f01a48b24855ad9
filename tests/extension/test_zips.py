# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the zips, for the platforms too that no test can run on: Blender's own code says what fits there."""

from __future__ import annotations

import hashlib
import json
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from scripts.extension.blender_tool import run_tool
from scripts.extension.manifest import ADDON, package_version
from scripts.extension.platforms import PLATFORMS, Platform
from scripts.extension.wheels import lock_of, read_lock
from tests.extension.blender_host import VERSIONS, Blender

pytestmark = pytest.mark.blender

WINDOWS_LIMIT = 260
"""Characters of a path, unless the user has lifted it."""

WINDOWS_PLACE = (
    r"C:\Users\a.name.of.twenty.six.chars\AppData\Roaming\Blender Foundation\Blender\4.2"
    r"\extensions\.local\lib\python3.11\site-packages"
)


@pytest.fixture(params=PLATFORMS, ids=lambda platform: platform.name)
def platform(request: pytest.FixtureRequest) -> Platform:
    found: Platform = request.param
    return found


def test_holds_the_package_and_nothing_else(platform: Platform, archives: dict[str, Path]) -> None:
    archive = archives[platform.name]
    assert archive.name == f"cloudrender-{package_version()}-{platform.name}.zip"
    assert archive.stat().st_size < 30e6
    with zipfile.ZipFile(archive) as zipped:
        names = {name for name in zipped.namelist() if not name.startswith("wheels/") and not name.endswith("/")}
        manifest = tomllib.loads(zipped.read("blender_manifest.toml").decode())
    sources = {
        str(path.relative_to(ADDON)) for path in ADDON.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == sources | {"blender_manifest.toml", "LICENSE"}
    assert manifest["platforms"] == [platform.name]
    assert manifest["version"] == package_version()


def test_holds_the_wheels_of_the_lock_unchanged(platform: Platform, archives: dict[str, Path]) -> None:
    with zipfile.ZipFile(archives[platform.name]) as zipped:
        listed = tomllib.loads(zipped.read("blender_manifest.toml").decode())["wheels"]
        wheels = {
            name: zipped.read(name) for name in zipped.namelist() if name.startswith("wheels/") and name != "wheels/"
        }
    assert {f"./{name}" for name in wheels} == set(listed)
    found = {
        (parse_wheel_filename(Path(name).name)[0], hashlib.sha256(data).hexdigest()) for name, data in wheels.items()
    }
    assert found == {(pin.name, digest) for pin in read_lock(lock_of(platform)) for digest in pin.hashes}


def test_every_blender_calls_it_valid(platform: Platform, archives: dict[str, Path]) -> None:
    for version in VERSIONS:
        run_tool("validate", str(archives[platform.name]), version=version)


def test_blender_finds_each_package_once_on_every_platform(
    archives: dict[str, Path], open_blender: Callable[[str], Blender], tmp_path: Path
) -> None:
    wheels = {}
    for name, archive in archives.items():
        with zipfile.ZipFile(archive) as zipped:
            wheels[name] = tomllib.loads(zipped.read("blender_manifest.toml").decode())["wheels"]
    question = tmp_path / "wheels.json"
    question.write_text(json.dumps(wheels))
    chosen = open_blender("4.2.23").run("choose_wheels.py", question)
    for platform in PLATFORMS:
        wanted = sorted(pin.name for pin in read_lock(lock_of(platform)))
        for python in ("3.11", "3.13"):
            names = [Path(wheel).name for wheel in chosen[f"{platform.name} {python}"]]
            assert sorted(parse_wheel_filename(name)[0] for name in names) == wanted


def test_paths_are_short_enough_for_windows(archives: dict[str, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(archives["windows-x64"]) as zipped:
        wheels = [zipped.extract(name, tmp_path) for name in zipped.namelist() if name.endswith(".whl")]
    longest = max((name for wheel in wheels for name in zipfile.ZipFile(wheel).namelist()), key=len)
    assert len(WINDOWS_PLACE) + 1 + len(longest) < WINDOWS_LIMIT, longest
