# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the folder `project` of what is in the store: links where the disk can, copies where not, there all at once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .manifest import Entry
from .store import Store

WRITTEN = (".bphys", ".gz", ".uni", ".vdb", ".oso")
"""What Blender may write anew while it renders: a simulation that was not baked, a shader older than its source."""


def assemble(entries: tuple[Entry, ...], *, store: Store, project: Path) -> None:
    """Put every file in its place. What is only ever read shares its bytes with the store, and is write-protected.

    Raises `OSError`.
    """
    # The name of one process: a second client may come before a first one's has noticed that its line is cut.
    making = os.fsencode(f"{project}.part.{os.getpid()}")
    _clear(project)
    os.mkdir(making)
    folders = {making}
    for entry in entries:
        path = making + b"/" + entry.name.encode()
        folder = os.path.dirname(path)
        if folder not in folders:
            os.makedirs(folder, exist_ok=True)
            folders.add(folder)
        _put(os.fsencode(store.path(entry.sha256)), path)
        if entry.executable:
            os.chmod(path, 0o500)
    try:
        os.rename(making, project)
    except OSError:
        if not project.is_dir():
            raise
        shutil.rmtree(making)  # somebody was quicker


def _put(source: bytes, path: bytes) -> None:
    if path.lower().endswith(tuple(suffix.encode() for suffix in WRITTEN)):
        shutil.copy2(source, path)
        os.chmod(path, 0o600)
        return
    try:
        os.link(source, path)
    except (FileExistsError, FileNotFoundError, NotADirectoryError):
        raise
    except OSError:
        shutil.copy2(source, path)


def _clear(project: Path) -> None:
    """Delete what killed processes left half made."""
    for left in project.parent.glob(f"{project.name}.part.*"):
        if not os.path.exists(f"/proc/{left.suffix[1:]}"):
            shutil.rmtree(left, ignore_errors=True)
