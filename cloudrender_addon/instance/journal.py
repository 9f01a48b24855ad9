# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's event log: one JSON object a line, append-only, written by whoever holds the agent's lock.

Each has the time of day, for people, and the machine's uptime, from which a client tells when it was: no clock that is
set meanwhile moves it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

TERMINAL = frozenset({"finished", "failed", "stopped"})


class Journal:
    """Append events and read them back. Appending is safe from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, event: str, **fields: Any) -> None:
        """Write one event to the disk, whole or not at all. Raises `OSError`."""
        record = {"event": event, "at": round(time.time(), 3), "uptime": round(uptime(), 3), **fields}
        line = json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
        with self._lock:
            log = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                end = os.fstat(log).st_size
                if os.write(log, line) < len(line):
                    os.ftruncate(log, end)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                os.fsync(log)
            finally:
                os.close(log)

    def read(self) -> list[dict[str, Any]]:
        """Return every whole event so far."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines[:-1]]

    def drop_torn_line(self) -> None:
        """Cut off what a killed writer left without its end, which no reader has been given."""
        if self.path.exists():
            whole = self.path.read_bytes().rfind(b"\n") + 1
            os.truncate(self.path, whole)

    def ended(self) -> bool:
        """Tell whether a terminal event is there."""
        return any(event["event"] in TERMINAL for event in self.read())


def uptime() -> float:
    """Return seconds since boot, as in /proc/uptime."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def take_lock(path: Path) -> int | None:
    """Return a descriptor that holds the agent's lock until the last process with it ends, or None if it is held."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
