# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the Blender that the plan asks for: from the image if it has it, else from Blender's release mirror."""

from __future__ import annotations

import glob
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import blender_libraries
from .download import Mirror
from .failure import Failure
from .program import run_program

BAKED = "blender"
"""Where the recipes of machine images put Blenders, below the user's home, each in a folder named by its version."""

_TRIED = "cloudrender-tried"
"""A file in such a folder: with this Blender, as it is there, a frame was rendered on this image."""

# Where people put Blender on their images. A glob costs nothing, a download about half a minute of rent.
_PLACES = (
    "/opt/blender*/blender",
    "/opt/*/blender",
    "/usr/local/blender*/blender",
    "/usr/local/bin/blender*",
    "~/blender*/blender",
    f"~/{BAKED}/[0-9]*/blender",
    "/snap/bin/blender",
)
_VERSION_SECONDS = 120.0  # the first run reads the binary from a disk that is itself still being filled


@dataclass(frozen=True)
class Blender:
    """An installed Blender: its executable, its version ("4.2.23"), and where it comes from.

    `source` is "image", "download", or "kept" if it was downloaded before.
    """

    executable: Path
    version: str
    source: str


def bring(*, wanted: str, mirror: Mirror, folder: Path) -> Blender:
    """Return a Blender of series `wanted` ("4.2": newest patch) or exactly it ("4.2.3"), ready to run.

    `folder` holds what was and is downloaded. Raises `Failure` (kind "blender").
    """
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", wanted):
        raise Failure(kind="blender", message=f"{wanted!r} is not a Blender version", hint='Give one like "4.2".')
    if tried := _tried(wanted):
        return tried
    found = _on_image(wanted) or _downloaded(wanted, folder) or _download(wanted, mirror, folder)
    blender_libraries.ensure(found.executable)
    return found


def mark_tried(blender: Blender) -> None:
    """Note that this Blender has rendered on the machine: an image of it need not be looked at closely."""
    if blender.executable.parent.parent == Path.home() / BAKED:
        (blender.executable.parent / _TRIED).touch()


def matches(version: str, wanted: str) -> bool:
    """Tell whether `version` is what was asked for.

    >>> matches("4.2.23", "4.2"), matches("4.20.1", "4.2"), matches("4.2.23", "4.2.2")
    (True, False, False)
    """
    return version == wanted or (wanted.count(".") == 1 and version.startswith(wanted + "."))


def newest(versions: list[str], wanted: str) -> str | None:
    """Return the highest of `versions` that is what was asked for, by number and not by letter."""
    fitting = [version for version in versions if matches(version, wanted)]
    return max(fitting, key=_numbers, default=None)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


# -- on the image ---------------------------------------------------------------------------------------


def _tried(wanted: str) -> Blender | None:
    """Return what a recipe has left. Neither run nor looked at here: that would read it from the disk once more."""
    folder = Path.home() / BAKED
    version = newest([mark.parent.name for mark in folder.glob(f"[0-9]*/{_TRIED}")], wanted)
    return Blender(folder / version / "blender", version, "image") if version else None


def _on_image(wanted: str) -> Blender | None:
    installed: dict[str, Path] = {}
    for executable in _candidates():
        version = _version_of(executable)
        if version is not None:
            installed.setdefault(version, executable)
    version = newest(list(installed), wanted)
    return Blender(installed[version], version, "image") if version else None


def _candidates() -> list[Path]:
    in_path = shutil.which("blender")
    names = [in_path] if in_path else []
    for place in _PLACES:
        names += sorted(glob.glob(os.path.expanduser(place)))  # noqa: PTH111, PTH207 - absolute patterns
    return [Path(name) for name in dict.fromkeys(names) if os.access(name, os.X_OK) and Path(name).is_file()]


def _version_of(executable: Path) -> str | None:
    try:
        blender_libraries.ensure(executable)
        answer = run_program([str(executable), "--version"], seconds=_VERSION_SECONDS)
        if answer.code != 0:
            raise OSError(f"exit status {answer.code}")
    except (OSError, subprocess.TimeoutExpired, Failure) as error:
        print(f"{executable} is not usable: {error}", flush=True)  # noqa: T201 - stdout is agent.log
        return None
    found = re.search(r"^Blender (\d+\.\d+(?:\.\d+)?)", answer.text, re.MULTILINE)
    if not found:
        return None
    return found[1] if found[1].count(".") == 2 else f"{found[1]}.0"


# -- from the mirror ------------------------------------------------------------------------------------


def _downloaded(wanted: str, folder: Path) -> Blender | None:
    """Return what an agent before this one unpacked: a folder is renamed to its version only when it is whole."""
    names = [path.name for path in folder.glob("[0-9]*") if path.is_dir()]
    version = newest(names, wanted)
    return Blender(folder / version / "blender", version, "kept") if version else None


def _download(wanted: str, mirror: Mirror, folder: Path) -> Blender:
    if platform.machine() not in {"x86_64", "AMD64"}:
        raise Failure(
            kind="blender",
            message=f"Blender is not released for Linux on {platform.machine()}",
            hint="Choose a machine type with an Intel or AMD processor.",
        )
    series = ".".join(wanted.split(".")[:2])
    offered = re.findall(r"blender-(\d+\.\d+\.\d+)-linux-x64\.tar\.xz", mirror.index(f"Blender{series}"))
    version = newest(offered, wanted)
    if version is None:
        raise Failure(
            kind="blender",
            message=f"There is no Blender {wanted} for Linux at {mirror.url}",
            hint="Save the file with a released Blender, or ask for another version.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"new-{version}"
    shutil.rmtree(new, ignore_errors=True)
    try:
        mirror.unpack(
            f"Blender{series}/blender-{version}-linux-x64.tar.xz",
            sha256=_checksum(mirror, series, version),
            into=new,
        )
        _release_folder(new).rename(folder / version)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return Blender(folder / version / "blender", version, "download")


def _checksum(mirror: Mirror, series: str, version: str) -> str:
    name = f"blender-{version}-linux-x64.tar.xz"
    sums = mirror.index(f"Blender{series}", f"blender-{version}.sha256")
    found = re.search(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(name)}\s*$", sums, re.MULTILINE)
    if not found:
        raise Failure(
            kind="blender",
            message=f"The mirror has no checksum for {name}",
            hint="Use the official mirror, or one that carries its .sha256 files.",
        )
    return found[1]


def _release_folder(unpacked: Path) -> Path:
    """Return the folder that holds `blender`: the only one in the archive."""
    for executable in unpacked.glob("*/blender"):
        return executable.parent
    raise Failure(
        kind="blender",
        message="What the mirror sent holds no Blender",
        hint="Check the mirror's address.",
    )
