# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender with a user folder of its own, and the packages that its official build ships."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import pytest

VERSIONS = ("4.2.23", "4.5.15", "5.0.1")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev"
HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Blender:
    """One version of Blender; `home` is all it sees of the user."""

    version: str
    home: Path
    environ: dict[str, str]

    @property
    def extensions(self) -> Path:
        return self.home / "blender" / "extensions"

    def run(self, script: str, *arguments: str | Path) -> dict[str, Any]:
        """Run a script of this folder in it and return its report; whatever Blender complains about fails the test."""
        report = self.home / "report.json"
        report.unlink(missing_ok=True)
        python = CACHE / f"bpy-{self.version}" / "bin" / "python"
        done = subprocess.run(
            [python, HERE / script, *arguments, report],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert not done.stderr, done.stderr
        assert report.exists(), done.stdout
        result: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return result


def blender(version: str, home: Path, *, endpoint: str) -> Blender:
    """Give a Blender an empty user folder under `home`, and AWS at `endpoint`. Skips where it is not installed."""
    if not (CACHE / f"bpy-{version}" / ".complete").exists():
        pytest.skip(f"Blender {version} is not here: scripts/get-blender.sh {version}")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BLENDER_", "PYTHON"))}
    environ |= {
        "HOME": str(home),
        "BLENDER_USER_RESOURCES": str(home / "blender"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name in [name for name in environ if name.startswith(("XDG_", "CLOUDRENDER_"))]:
        del environ[name]
    if version.startswith("4."):
        # The bpy wheel has PyPI's newest, the official builds have these. zstandard is not among them: 0.16, which
        # they ship, has no wheel for Python 3.11.
        environ["PYTHONPATH"] = str(packages("official-packages.lock"))
    return Blender(version=version, home=home, environ=environ)


def moved(host: Blender, home: Path) -> Blender:
    """Copy a Blender's user folder."""
    shutil.copytree(host.home, home)
    environ = host.environ | {"HOME": str(home), "BLENDER_USER_RESOURCES": str(home / "blender")}
    return replace(host, home=home, environ=environ)


def packages(lock_name: str) -> Path:
    """Return a folder with the packages that a lock of this folder names."""
    lock = HERE / lock_name
    folder = CACHE / lock.stem
    stamp = folder / ".complete"
    CACHE.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{folder}.lock"):
        if not stamp.exists() or stamp.read_text() != lock.read_text():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            command += ["--upgrade", "--require-hashes", "--only-binary", ":all:", "--target", str(folder)]
            subprocess.run([*command, "--requirement", str(lock)], check=True)
            stamp.write_text(lock.read_text())
    return folder
