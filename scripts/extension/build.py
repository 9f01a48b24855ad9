# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the zip of one platform, and the repository of all zips."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .blender_tool import run_tool
from .manifest import ADDON, MANIFEST, ROOT, listed_wheels, package_version, read_manifest, with_wheels
from .platforms import Platform
from .wheels import check_agreement, fetch, wheels_for


def check_manifest() -> None:
    """Raise `ValueError` when the manifest has another version than the package, `WheelError` for other wheels."""
    if (version := read_manifest()["version"]) != package_version():
        raise ValueError(f"{MANIFEST.name} says version {version}, the package is {package_version()}")
    check_agreement(listed_wheels())


def build_zip(platform: Platform, folder: Path) -> Path:
    """Build and validate the extension for one platform in `folder`. Raises `ToolError`, `WheelError`, `ValueError`."""
    check_manifest()
    archive = folder / f"cloudrender-{package_version()}-{platform.name}.zip"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch) / "cloudrender"
        _stage(platform, stage)
        run_tool("build", "--source-dir", str(stage), "--output-filepath", str(archive))
    run_tool("validate", str(archive))
    return archive


def build_repository(archives: Iterable[Path], folder: Path) -> Path:
    """Make `folder` an extension repository of these zips, to be served as plain files. Return its index.json."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for archive in archives:
        shutil.copy(archive, folder)
    run_tool("server-generate", "--repo-dir", str(folder))
    return folder / "index.json"


def _stage(platform: Platform, stage: Path) -> None:
    """Lay out the zip's content: Blender wants `__init__.py` beside the manifest, which here is a folder further up."""
    shutil.copytree(ADDON, stage, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copy(ROOT / "LICENSE", stage)
    wheels = wheels_for(platform, listed_wheels())
    # Not left to --split-platforms: of a version for Intel Macs only there may be a wheel that says it runs on both.
    manifest = with_wheels(MANIFEST.read_text(encoding="utf-8"), [platform.name], wheels)
    (stage / MANIFEST.name).write_text(manifest, encoding="utf-8")
    (stage / "wheels").mkdir()
    for wheel in fetch(platform, wheels):
        shutil.copy(wheel, stage / "wheels")
