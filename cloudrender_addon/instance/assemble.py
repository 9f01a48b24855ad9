# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the folder `project` of what is in the store: links where the disk can, copies where not, there all at once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from .manifest import Entry
from .store import Store


def assemble(entries: tuple[Entry, ...], *, store: Store, project: Path) -> None:
    """Put every file in its place. The files share their bytes with the store, so they can be read only.

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
        source = store.path(entry.sha256)
        try:
            os.link(source, path)
        except FileExistsError:
            raise
        except OSError as error:
            if isinstance(error, (FileNotFoundError, NotADirectoryError)):
                raise
            shutil.copy2(os.fsencode(source), path)
        if entry.executable:
            os.chmod(path, 0o500)
    try:
        os.rename(making, project)
    except OSError:
        if not project.is_dir():
            raise
        shutil.rmtree(making)  # somebody was quicker


def _clear(project: Path) -> None:
    """Delete what killed processes left half made."""
    for left in project.parent.glob(f"{project.name}.part.*"):
        if not os.path.exists(f"/proc/{left.suffix[1:]}"):
            shutil.rmtree(left, ignore_errors=True)
