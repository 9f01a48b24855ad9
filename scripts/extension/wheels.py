# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheels that go into the extension: which ones (a lock file per platform), and to have them on this computer.

They are PyPI's own, unmodified: every file is compared with the SHA-256 in the lock.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
from packaging.utils import canonicalize_name, parse_wheel_filename

from .platforms import PLATFORMS, PYTHONS, Platform

LOCKS = Path(__file__).parent / "locks"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev" / "wheels"

SHIPPED_BY_BLENDER = ("certifi", "charset-normalizer", "idna", "requests", "urllib3", "zstandard")
"""Left out, since what an extension brings takes the place of Blender's own for every other add-on."""


class WheelError(Exception):
    """The wheels, the locks and the manifest do not agree."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One line of a lock: this version of a package, as one of the files with these SHA-256."""

    name: str
    version: str
    hashes: frozenset[str]


def lock_of(platform: Platform) -> Path:
    return LOCKS / f"{platform.name}.lock"


def read_lock(path: Path) -> tuple[Pin, ...]:
    """Read a lock in the format of `pip --require-hashes`."""
    pins = []
    for entry in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        words = entry.split()
        if words and not entry.startswith("#"):
            name, _, version = words[0].partition("==")
            hashes = frozenset(word.removeprefix("--hash=sha256:") for word in words[1:])
            pins.append(Pin(name=canonicalize_name(name), version=version, hashes=hashes))
    return tuple(pins)


def wheels_for(platform: Platform, names: Iterable[str]) -> tuple[str, ...]:
    """Choose from `names` the wheels that the platform's lock asks for: one for every package and every Python.

    Raises `WheelError` when one is missing or there is a choice.
    """
    parsed = {name: parse_wheel_filename(name) for name in names}
    chosen: set[str] = set()
    for pin in read_lock(lock_of(platform)):
        for python in PYTHONS:
            fitting = [
                name
                for name, (project, version, _, tags) in parsed.items()
                if (project, str(version)) == (pin.name, pin.version) and platform.runs(tags, python=python)
            ]
            if len(fitting) != 1:
                raise WheelError(
                    f"{pin.name} {pin.version} for {platform.name}, Python {python[0]}.{python[1]}: "
                    f"the manifest has {' and '.join(fitting) or 'no wheel'} (make lock writes it anew)"
                )
            chosen.update(fitting)
    return tuple(sorted(chosen))


def check_agreement(names: Iterable[str]) -> None:
    """Raise `WheelError` unless the wheels named by the manifest are exactly those that the locks ask for."""
    names = set(names)
    asked_for = {wheel for platform in PLATFORMS for wheel in wheels_for(platform, names)}
    if unasked := sorted(names - asked_for):
        raise WheelError(f"No lock asks for {', '.join(unasked)} (make lock writes the manifest anew)")


def fetch(platform: Platform, wheels: Iterable[str]) -> Iterator[Path]:
    """Yield the files of these wheels, from the cache where they are there already. Raises `WheelError`."""
    wheels = tuple(wheels)
    CACHE.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(CACHE / ".lock"):
        if not all((CACHE / wheel).is_file() for wheel in wheels):
            for python in PYTHONS:
                download(platform, lock_of(platform), python=python, into=CACHE)
    known = {digest for pin in read_lock(lock_of(platform)) for digest in pin.hashes}
    for wheel in wheels:
        path = CACHE / wheel
        if sha256(path) not in known:
            raise WheelError(f"{path} is not the file that {lock_of(platform)} asks for: delete it and try again")
        yield path


def download(platform: Platform, lock: Path, *, python: tuple[int, int], into: Path) -> None:
    """Have pip bring what the lock names for that platform and Python. Raises `WheelError`."""
    interpreter = f"cp{python[0]}{python[1]}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--requirement", str(lock), "--dest", str(into)]
    command += ["--implementation", "cp", "--python-version", f"{python[0]}.{python[1]}"]
    command += [word for abi in (interpreter, "abi3", "none") for word in ("--abi", abi)]
    command += [word for tag in platform.tags for word in ("--platform", tag)]
    if subprocess.run(command, check=False).returncode:
        raise WheelError(f"pip could not bring the wheels for {platform.name}")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
