# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand the event log to a client, live, and keep the machine alive for it meanwhile."""

from __future__ import annotations

import json
import os
import time

from . import lease
from .journal import TERMINAL, Journal, take_lock
from .root import Root

_HEARTBEAT_SECONDS = 2.0
_POLL_SECONDS = 0.05
_CHUNK_BYTES = 1 << 16


def follow(root: Root, *, offset: int, out: int) -> int:
    """Print whole events from byte `offset` on to the descriptor `out` until a terminal one, and return 0.

    An empty line is printed and the lease renewed every 2 s. Ends quietly when nobody reads any more.
    """
    reader = _Reader(root)
    beat = 0.0
    try:
        while True:
            if time.monotonic() >= beat:
                _renew(root)
                _write(out, b"\n")
                _report_death(root, reader)
                beat = time.monotonic() + _HEARTBEAT_SECONDS
            start, lines = reader.lines()
            _write(out, lines[max(0, offset - start) :])
            if reader.ended:
                return 0
            if not lines:
                time.sleep(_POLL_SECONDS)
    except BrokenPipeError:
        return 0


class _Reader:
    """Reads the log from its beginning in whole lines, so that it knows what has been said before any offset."""

    def __init__(self, root: Root) -> None:
        self._path = root.events
        self._position = 0
        self.started = False
        self.ended = False

    def lines(self) -> tuple[int, bytes]:
        """Return the position of, and the whole lines that were written since the last call."""
        start = self._position
        try:
            if self._path.stat().st_size == start:
                return start, b""
            with self._path.open("rb") as log:
                log.seek(start)
                chunk = log.read(_CHUNK_BYTES)
                if b"\n" not in chunk:
                    chunk += log.readline()
        except FileNotFoundError:
            return start, b""
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._position += len(whole)
        for line in whole.splitlines():
            self.started = True
            self.ended = self.ended or json.loads(line)["event"] in TERMINAL
        return start, whole


def _write(out: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(out, view) :]


def _renew(root: Root) -> None:
    try:
        lease.renew(root)
    except OSError as error:  # the events are worth more than a lease that still runs
        os.write(2, f"agent: lease not renewed: {error}\n".encode())


def _report_death(root: Root, reader: _Reader) -> None:
    """End the log of an agent that was killed, so that nobody waits for it for ever."""
    if not reader.started or reader.ended:
        return
    lock = take_lock(root.agent_lock)
    if lock is None:
        return  # alive
    try:
        journal = Journal(root.events)
        journal.drop_torn_line()
        if not journal.ended():
            journal.append(
                "failed",
                kind="agent",
                message="The render agent died (out of memory?)",
                hint="Choose a machine with more memory, or make the scene smaller.",
                log=_last_lines(root),
            )
    finally:
        os.close(lock)


def _last_lines(root: Root) -> list[str]:
    from .blender_log import last_lines  # noqa: PLC0415 - only for the dead

    return last_lines(root.agent_log) or last_lines(root.blender_log)
