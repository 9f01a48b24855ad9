# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the system libraries that Blender needs and a server image lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from .failure import Failure
from .program import run_program

# libegl1 is opened at run time (EEVEE), so `ldd` never misses it: all are installed when any is missing.
_APT = [
    *("libx11-6", "libxrender1", "libxxf86vm1", "libxfixes3", "libxi6", "libxkbcommon0"),
    *("libsm6", "libice6", "libgl1", "libegl1", "libgomp1"),
]
_DNF = [
    *("libX11", "libXrender", "libXxf86vm", "libXfixes", "libXi", "libxkbcommon"),
    *("libSM", "libICE", "mesa-libGL", "mesa-libEGL", "libgomp"),
]
_ATTEMPTS = 4  # a fresh machine's own updates hold the package manager's locks for a minute or two
_PAUSE_SECONDS = 5.0
_INSTALL_SECONDS = 300.0
_LOOK_SECONDS = 60.0


def ensure(executable: Path) -> None:
    """Make sure that `executable` finds its libraries. Raises `Failure` (kind "blender")."""
    missing = _missing(executable)
    if not missing:
        return
    print(f"{executable} misses {', '.join(missing)}", flush=True)  # noqa: T201 - stdout is agent.log
    log = _install()
    missing = _missing(executable)
    if missing:
        raise Failure(
            kind="blender",
            message=f"Blender cannot start on this image: {', '.join(missing)} cannot be installed",
            hint="Use the automatic image, or install Blender's system libraries on yours.",
            log=log,
        )


def _missing(executable: Path) -> list[str]:
    if shutil.which("ldd") is None:
        return []
    # It refuses scripts, which miss nothing.
    lines = run_program(["ldd", str(executable)], seconds=_LOOK_SECONDS).lines
    return sorted({line.split()[0] for line in lines if line.rstrip().endswith("=> not found")})


def _install() -> list[str]:
    """Install all of them, patiently, and return the last lines that were printed."""
    log: list[str] = []
    for attempt in range(1, _ATTEMPTS + 1):
        done = True
        for command in _commands():
            done, lines = _run(command)
            log = (log + lines)[-20:]
        if done:
            break
        time.sleep(_PAUSE_SECONDS * attempt)
    return log


def _commands() -> list[list[str]]:
    admin = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get"):
        apt = [*admin, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
        return [[*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", *_APT]]
    return [[*admin, "dnf", "-q", "-y", "install", *_DNF]]


def _run(command: list[str]) -> tuple[bool, list[str]]:
    try:
        ended = run_program(command, seconds=_INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, [str(error)]
    return ended.code == 0, ended.lines
