# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease that keeps the dead-man switch from powering the machine off."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

from .root import Root

_RENEW_SECONDS = 10.0


def uptime() -> int:
    """Return whole seconds since boot, the only time the machine's life is measured in."""
    return int(Path("/proc/uptime").read_text(encoding="ascii").split(".")[0])


def renew(root: Root) -> None:
    """Let the machine live for another lease from now. Raises `OSError`."""
    line = f"{uptime() + _length(root)}\n"
    new = root.path / f"lease.{os.getpid()}"
    try:
        new.write_text(line, encoding="ascii")
        new.replace(root.lease)
    except OSError as error:
        new.unlink(missing_ok=True)
        if error.errno != errno.ENOSPC:
            raise
        _overwrite(root.lease, line)


def keep(root: Root, seconds: int) -> None:
    """Let the machine live for `seconds` from now, with neither work nor a client; never past its deadline.

    Raises `OSError`, `ValueError`.
    """
    end = min(uptime() + seconds, int(root.deadline.read_text(encoding="ascii")))
    _put(root.deadline, end)  # the deadline first: no later renewal moves the lease beyond it
    _put(root.lease_seconds, seconds)  # … nor before it
    _put(root.lease, end)


def extend(root: Root, seconds: int, *, lease_seconds: int) -> None:
    """Let a machine that was kept live for `seconds` from now with another job; never past its lifetime.

    From now on it has the lease that a renewal gives. Raises `OSError`, `ValueError`.
    """
    _put(root.deadline, min(uptime() + seconds, lifetime_end(root)))
    _put(root.lease_seconds, lease_seconds)
    renew(root)


def lifetime_end(root: Root) -> int:
    """Return the uptime at which the machine ends, whatever is asked of it. Raises `OSError`, `ValueError`."""
    return int(root.lifetime.read_text(encoding="ascii"))


def _put(path: Path, number: int) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(f"{number}\n", encoding="ascii")
    new.replace(path)


def _overwrite(path: Path, line: str) -> None:
    # On a full disk no new file can be made, but frames must still be collected: the old one's block is reused.
    with path.open("r+", encoding="ascii") as lease:
        lease.write(line)
        lease.truncate()


def _length(root: Root) -> int:
    return int(root.lease_seconds.read_text(encoding="ascii"))


class LeaseKeeper(threading.Thread):
    """Renew the lease while there is `work`, and call `chore` as often (every 10 s or a third of the lease)."""

    def __init__(self, root: Root, *, work: Callable[[], bool], chore: Callable[[], None]) -> None:
        super().__init__(name="lease", daemon=True)
        self._root = root
        self._work = work
        self._chore = chore
        self._done = threading.Event()

    def run(self) -> None:
        pause = min(_RENEW_SECONDS, _length(self._root) / 3)
        while not self._done.is_set():
            try:
                if self._work():
                    renew(self._root)
                self._chore()
            except OSError as error:  # goes on: the next renewal may work, and the old lease still runs
                print(f"lease not renewed: {error}", flush=True)  # noqa: T201 - stdout is agent.log
            self._done.wait(pause)

    def stop(self) -> None:
        """End the renewals: the lease runs out unless a client follows."""
        self._done.set()
        self.join(_RENEW_SECONDS)
