# SPDX-License-Identifier: GPL-3.0-or-later
"""Renew the locks of the wheels and the list of them in the manifest (needs uv)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from packaging.utils import parse_wheel_filename

from .manifest import MANIFEST, ROOT, with_wheels
from .platforms import PLATFORMS, PYTHONS, Platform
from .wheels import LOCKS, SHIPPED_BY_BLENDER, download, lock_of, read_lock, sha256


def renew() -> None:
    """Write all locks and the manifest's list anew. Raises `WheelError`, `subprocess.CalledProcessError`."""
    LOCKS.mkdir(exist_ok=True)
    names: set[str] = set()
    with tempfile.TemporaryDirectory() as scratch:
        for platform in PLATFORMS:
            folder = Path(scratch) / platform.name
            lock = folder / "all.lock"
            folder.mkdir()
            _resolve(platform, lock)
            for python in PYTHONS:
                download(platform, lock, python=python, into=folder)
            wheels = sorted(folder.glob("*.whl"))
            _write(platform, lock=lock, wheels=wheels)
            names.update(wheel.name for wheel in wheels)
    manifest = with_wheels(MANIFEST.read_text(encoding="utf-8"), [platform.name for platform in PLATFORMS], names)
    MANIFEST.write_text(manifest, encoding="utf-8")


def _resolve(platform: Platform, lock: Path) -> None:
    # uv keeps to the versions of a lock that is there already, where it can: what ships is what is tested.
    shutil.copy(ROOT / "requirements.lock", lock)
    command = ["uv", "pip", "compile", "pyproject.toml", "--output-file", str(lock), "--quiet"]
    command += ["--python-version", "3.11", "--python-platform", platform.uv, "--only-binary", ":all:"]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"]
    command += [word for name in SHIPPED_BY_BLENDER for word in ("--no-emit-package", name)]
    subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": platform.oldest_macos},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _write(platform: Platform, *, lock: Path, wheels: list[Path]) -> None:
    """Keep of uv's lock only the hashes of the files that are used."""
    lines = ["# Renewed by `make lock`: the wheels that the extension brings along on this platform."]
    for pin in read_lock(lock):
        lines.append(f"{pin.name}=={pin.version} \\")
        digests = [sha256(wheel) for wheel in wheels if parse_wheel_filename(wheel.name)[0] == pin.name]
        lines.append(" \\\n".join(f"    --hash=sha256:{digest}" for digest in digests))
    lock_of(platform).write_text("\n".join(lines) + "\n", encoding="utf-8")
