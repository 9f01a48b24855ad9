# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle laid out in a folder of its own, as it will be on the machine."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ...instance.assemble import WRITTEN
from ..errors import ProjectError
from .bundle import Bundle, BundleFile
from .concerns import shown


def lay_out(bundle: Bundle, folder: Path, *, check: Callable[[], None]) -> None:
    """Put every file of the bundle into the folder, which is made; `check` is called before each and may raise.

    Files that are only ever read are hard links where the disk has them, so that this takes no room; what Blender may
    write to is a copy, and so is what is write-protected. Raises `ProjectError`.
    """
    made: set[Path] = set()
    for file in bundle.files:
        check()
        place = folder.joinpath(*PurePosixPath(file.name).parts)
        try:
            if place.parent not in made:
                place.parent.mkdir(parents=True, exist_ok=True)
                made.add(place.parent)
            _put(file, place)
        except OSError as error:
            raise ProjectError(
                f"{shown(file.name)} cannot be laid out in {folder} ({error.strerror})",
                hint="Make room on that disk, and check that you may read the file",
            ) from error


def _put(file: BundleFile, place: Path) -> None:
    source = file.source.resolve()  # of a symbolic link, what it leads to
    # Deleting a link to a file that may only be read would make it writable first, on Windows: the user's as well.
    if source.suffix.lower() not in WRITTEN and source.stat().st_mode & stat.S_IWUSR:
        try:
            os.link(source, place)
            return
        except OSError:
            pass  # another disk, or one without links
    shutil.copy2(source, place)  # with its time, by which Blender tells whether it is out of date
