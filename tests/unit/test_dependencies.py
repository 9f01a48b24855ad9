# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension says of the packages it finds; in a real Blender: tests/extension/test_conflict.py."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cloudrender_addon


@pytest.fixture(scope="module")
def dependencies() -> Iterator[Any]:
    # By its path: it needs no bpy, but the package it is in does.
    path = Path(cloudrender_addon.__file__).with_name("ui") / "dependencies.py"
    spec = importlib.util.spec_from_file_location("cloudrender_dependencies", path)
    assert spec and spec.loader
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder before all others on the path, and no package loaded yet that the tests put there."""
    for name in ("boto3", "botocore", "paramiko", "tqdm", "zstandard"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    folder = tmp_path / "extensions" / ".local" / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.syspath_prepend(folder)
    return folder


def bring(folder: Path, name: str, version: str, *needs: str) -> None:
    copy(folder, name)
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {each}" for each in needs),
    ]
    (info / "METADATA").write_text("\n".join(lines))


def copy(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").touch()


def test_all_is_well_here(dependencies: Any) -> None:
    assert dependencies.check_dependencies() is None


def test_too_old(dependencies: Any, first: Path) -> None:
    bring(first, "boto3", "1.20.3")
    assert dependencies.check_dependencies() == dependencies.Problem(
        message="Cloudrender needs boto3 1.40 or newer, but 1.20.3 is installed",
        hint=f"Update or disable the add-on that brings it in {first}, then restart Blender",
    )


def test_too_new_and_the_extension_that_brings_it(dependencies: Any, first: Path) -> None:
    bring(first, "paramiko", "6.0.0")
    wheels = first.parents[3] / "user_default" / "other" / "wheels"
    wheels.mkdir(parents=True)
    (wheels / "paramiko-6.0.0-py3-none-any.whl").touch()
    assert dependencies.check_dependencies() == dependencies.Problem(
        message="Cloudrender needs paramiko older than 6, but 6.0.0 is installed",
        hint="Update or disable the extension other, then restart Blender",
    )


def test_what_the_packages_need_in_turn(dependencies: Any, first: Path) -> None:
    bring(first, "boto3", "1.44.0", "botocore (<1.45.0,>=1.44.0)", 'botocore[crt] (>9) ; extra == "crt"')
    bring(first, "botocore", "1.45.1")
    problem = dependencies.check_dependencies()
    assert problem.message == "boto3 1.44.0 needs botocore older than 1.45.0, but 1.45.1 is installed"


def test_conditions_are_not_for_warnings(dependencies: Any, first: Path) -> None:
    bring(first, "tqdm", "4.99", 'colorama>=99; platform_system == "Windows"', "six!=1.0,~=1.5,==1.*")
    assert dependencies.check_dependencies() is None


def test_missing(dependencies: Any, first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(first)])
    assert dependencies.check_dependencies() == dependencies.Problem(
        message="The Python package boto3, which Cloudrender needs, is missing",
        hint="Disable and enable Cloudrender in Preferences > Add-ons, then restart Blender",
    )


def test_blenders_own_come_without_metadata(dependencies: Any, first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "NEEDED", ("boto3>=1", "zstandard>=0.16"))
    monkeypatch.setattr(sys, "path", [str(first)])
    bring(first, "boto3", "1.2")
    copy(first, "zstandard")
    assert dependencies.check_dependencies() is None


def test_another_version_is_in_use_already(dependencies: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType("boto3")
    old.__version__ = "1.20.3"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "boto3", old)
    problem = dependencies.check_dependencies()
    assert problem.message.startswith("boto3 1.20.3 is still in use, ")
    assert problem.hint == "Restart Blender"


def test_a_copy_without_metadata_comes_first(dependencies: Any, first: Path) -> None:
    copy(first, "boto3")
    problem = dependencies.check_dependencies()
    assert problem.message.startswith("Another add-on's boto3, of unknown version, takes the place of 1.")
    assert str(first) in problem.hint
