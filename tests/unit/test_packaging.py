# SPDX-License-Identifier: GPL-3.0-or-later
"""The places that say what the extension consists of agree."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import cloudrender_addon
from scripts.extension import wheels
from scripts.extension.build import check_manifest
from scripts.extension.manifest import ADDON, ROOT, listed_wheels, package_version
from scripts.extension.platforms import PLATFORMS
from scripts.extension.wheels import SHIPPED_BY_BLENDER, WheelError, check_agreement, lock_of, read_lock, wheels_for

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = [lock_of(platform) for platform in PLATFORMS]


def constants(path: Path) -> dict[str, object]:
    """Read what can be read of a module's constants without importing it."""
    found: dict[str, object] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value.args[0] if isinstance(node.value, ast.Call) and node.value.args else node.value
            try:
                found[node.targets[0].id] = ast.literal_eval(value)
            except ValueError:
                continue
    return found


def test_manifest_agrees_with_the_package_and_the_locks() -> None:
    check_manifest()
    assert package_version() == cloudrender_addon.__version__


def test_a_wheel_too_few_or_too_many_is_noticed() -> None:
    listed = listed_wheels()
    without = [name for name in listed if not name.startswith("boto3-")]
    with pytest.raises(WheelError, match=r"boto3 .* the manifest has no wheel"):
        check_agreement(without)
    with pytest.raises(WheelError, match="No lock asks for requests-2"):
        check_agreement([*listed, "requests-2.31.0-py3-none-any.whl"])


def test_a_wheel_for_another_python_or_a_newer_system_does_not_count() -> None:
    [linux] = [platform for platform in PLATFORMS if platform.name == "linux-x64"]
    chosen = wheels_for(linux, listed_wheels())
    assert len([name for name in chosen if name.startswith("cffi-")]) == 2
    too_new = [name.replace("manylinux_2_28", "manylinux_2_39") for name in listed_wheels()]
    with pytest.raises(WheelError, match="for linux-x64"):
        wheels_for(linux, too_new)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_what_ships_is_what_jobs_need(lock: Path) -> None:
    pins = {pin.name: pin.version for pin in read_lock(lock)}
    for text in PYPROJECT["project"]["dependencies"]:
        need = Requirement(text)
        assert need.name in SHIPPED_BY_BLENDER or need.specifier.contains(pins[need.name])
    assert not set(SHIPPED_BY_BLENDER) & set(pins)


@pytest.mark.parametrize(
    "lock", [lock for lock in LOCKS if lock.stem not in ("windows-arm64", "macos-x64")], ids=lambda lock: lock.stem
)
def test_what_ships_is_what_is_tested(lock: Path) -> None:
    # On the other two there is no wheel of the newest cryptography.
    tested = {pin.name: pin.version for pin in read_lock(ROOT / "requirements.lock")}
    assert {pin.name: pin.version for pin in read_lock(lock) if pin.name != "colorama"}.items() <= tested.items()


def test_the_check_at_run_time_asks_for_the_same() -> None:
    found = constants(ADDON / "ui" / "dependencies.py")
    assert found["NEEDED"] == tuple(PYPROJECT["project"]["dependencies"])
    assert found["FROM_BLENDER"] == set(SHIPPED_BY_BLENDER)


def test_a_damaged_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "CACHE", tmp_path)
    chosen = wheels_for(PLATFORMS[0], listed_wheels())
    for name in chosen:
        (tmp_path / name).write_bytes(b"not the wheel")
    with pytest.raises(WheelError, match="delete it and try again"):
        list(wheels.fetch(PLATFORMS[0], chosen))
