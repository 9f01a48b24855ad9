# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking a job's driver to stop, so that every wait hears it."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable

from .errors import Cancelled, Detached

_PROBE_SECONDS = 1.0


class Wish(enum.IntEnum):
    """What is wanted of the driver of a job. The greater wish prevails."""

    GO_ON = 0
    LEAVE = 1
    """Let go of the job: its machine renders on, and another client drives it."""
    CANCEL = 2
    """End the job and its machine."""


class CancelToken:
    """Ask a job's driver to stop, from any thread; waits made through the token end at once.

    They raise `Cancelled` or `Detached`. `probe` is asked at most once a second during waits and tells what somebody
    outside this process wants (see `JobFolder.wish`).
    """

    def __init__(self, *, probe: Callable[[], Wish] | None = None) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._wish = Wish.GO_ON
        self._probe = probe
        self._probed_at = 0.0

    def listen(self, probe: Callable[[], Wish]) -> None:
        """Ask `probe` from now on, for a token that is older than what it is asked about."""
        self._probe = probe

    def cancel(self) -> None:
        """Ask for the end of the job. Calling it again changes nothing."""
        self._want(Wish.CANCEL)

    def leave(self) -> None:
        """Ask this driver to let go of the job. Changes nothing once its end was asked for."""
        self._want(Wish.LEAVE)

    @property
    def wish(self) -> Wish:
        """What was asked for, here or outside this process."""
        if not self._event.is_set() and self._probe is not None:
            now = time.monotonic()
            if now - self._probed_at >= _PROBE_SECONDS:
                self._probed_at = now
                self._want(self._probe())
        return self._wish

    @property
    def noted(self) -> Wish:
        """What is known to be asked for, without looking outside: for who must not wait for a disk."""
        return self._wish

    def check(self) -> None:
        """Raise `Cancelled` or `Detached` if that was asked for."""
        wish = self.wish
        if wish is Wish.CANCEL:
            raise Cancelled
        if wish is Wish.LEAVE:
            raise Detached

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, or raise like `check` as soon as something is asked for."""
        deadline = time.monotonic() + seconds
        self.check()
        while (left := deadline - time.monotonic()) > 0:
            self._event.wait(min(left, _PROBE_SECONDS) if self._probe else left)
            self.check()

    def _want(self, wish: Wish) -> None:
        with self._lock:
            self._wish = max(self._wish, wish)
            if self._wish is not Wish.GO_ON:
                self._event.set()
