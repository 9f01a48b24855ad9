# SPDX-License-Identifier: GPL-3.0-or-later
"""Gets callers out of waits inside paramiko that hear nobody.

The answer to an exec, or a packet for a peer that has stopped reading, is waited for without end: a power cut or a
frozen machine would hold Ctrl-C up for as long. Closing the socket under such a caller is the only way out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..cancel import CancelToken

_TICK_SECONDS = 0.1


class Watchdog:
    """Calls `drop` once a guarded caller is stuck: past its time, or a tick after its cancel token was set.

    A caller that notices by itself is left to clean up behind itself, so a healthy connection survives a cancel.
    """

    def __init__(self, drop: Callable[[], None]) -> None:
        self._drop = drop
        self._guards: set[_Guard] = set()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, name="cloudrender-ssh-watchdog", daemon=True).start()

    @contextmanager
    def guard(self, *, seconds: float, cancel: CancelToken) -> Iterator[float]:
        """Watch over the body for `seconds`; yields the end as `time.monotonic()` seconds."""
        guard = _Guard(deadline=time.monotonic() + seconds, cancel=cancel)
        self._guards.add(guard)
        try:
            yield guard.deadline
        finally:
            self._guards.discard(guard)

    def stop(self) -> None:
        """Watch no longer. Does not wait."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            if any(guard.stuck() for guard in self._guards.copy()):
                self._drop()
                return


class _Guard:
    def __init__(self, *, deadline: float, cancel: CancelToken) -> None:
        self.deadline = deadline
        self._cancel = cancel
        self._warned = False

    def stuck(self) -> bool:
        """Tell whether the caller was given up by an earlier look and is still here."""
        warned, self._warned = self._warned, bool(self._cancel.wish) or time.monotonic() > self.deadline
        return warned and self._warned
