# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the rewritten copies of .blends are: kept from job to job, since writing one takes as long as a save.

A copy is called by a key of what is in it, and replaced by none but the same. Several clients may share the folder:
they write and delete in turn; and as a copy may go that was not used for long, each job has a link of its own to what
it sends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from ..cancel import CancelToken

_USED = ".used"
"""The end of the name of an empty file beside each copy: when it was used. The copy's own time tells if it changed."""

_TURN_SECONDS = 0.05

_MAX_BYTES = 10 * 1000**3
_MAX_SECONDS = 30 * 86_400.0
_SAFE_SECONDS = 3600.0
"""What was used so lately may be in use: it stays, however much there is."""


def staging_folder(home: Path) -> Path:
    """Return the folder of the copies, made now and private to the user. Raises `OSError`."""
    folder = home / "staging"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextlib.contextmanager
def alone_in(folder: Path, *, seconds: float, cancel: CancelToken) -> Iterator[None]:
    """Be the only client that changes the folder. Raises `TimeoutError` if others are at it for so long, `OSError`."""
    lock = filelock.FileLock(folder.with_name(f"{folder.name}.lock"), mode=0o600)
    deadline = time.monotonic() + seconds
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except filelock.Timeout:
            if time.monotonic() >= deadline:
                raise
            cancel.sleep(_TURN_SECONDS)
    try:
        yield
    finally:
        lock.release()


def note_use(copy: Path) -> None:
    """Note that a copy was used now."""
    with contextlib.suppress(OSError):  # at worst it is written once more
        copy.with_name(copy.name + _USED).touch()


def prune(folder: Path, *, max_bytes: int = _MAX_BYTES, max_seconds: float = _MAX_SECONDS) -> None:
    """Delete copies that were not used for long, then those not used for longest until the rest is no more than this.

    What cannot be deleted, as another client reads it, stays.
    """
    now = time.time()
    copies = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and path.suffix != _USED:
                status = path.stat()
                copies.append((_used(path, default=status.st_mtime), status.st_size, path))
    copies.sort()
    total = sum(size for _, size, _ in copies)
    for used, size, path in copies:
        if now - used <= _SAFE_SECONDS or (now - used <= max_seconds and total <= max_bytes):
            break
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size
            path.with_name(path.name + _USED).unlink(missing_ok=True)


def link(copy: Path, target: Path) -> None:
    """Make `target` the same as `copy`, without a second copy where the disk allows. Raises `OSError`."""
    target.unlink(missing_ok=True)
    try:
        os.link(copy, target)
    except OSError:  # not every file system has links
        shutil.copyfile(copy, target)


def _used(path: Path, *, default: float) -> float:
    try:
        return path.with_name(path.name + _USED).stat().st_mtime
    except OSError:
        return default
