# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancellation that every wait hears."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .errors import Cancelled

_PROBE_SECONDS = 1.0


class CancelToken:
    """Ask a job to end, from any thread; waits made through the token end at once with `Cancelled`.

    `probe` is asked at most once a second during waits and checks whether somebody outside this process
    wants the job cancelled (see `JobStore.cancel_requested`).
    """

    def __init__(self, *, probe: Callable[[], bool] | None = None) -> None:
        self._event = threading.Event()
        self._probe = probe
        self._probed_at = 0.0

    def cancel(self) -> None:
        """Ask for the end. Calling it again changes nothing."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Tell whether the end was asked for, here or outside this process."""
        if not self._event.is_set() and self._probe is not None:
            now = time.monotonic()
            if now - self._probed_at >= _PROBE_SECONDS:
                self._probed_at = now
                if self._probe():
                    self._event.set()
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if the end was asked for."""
        if self.cancelled:
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`, or raise `Cancelled` as soon as the end is asked for."""
        deadline = time.monotonic() + seconds
        self.check()
        while (left := deadline - time.monotonic()) > 0:
            self._event.wait(min(left, _PROBE_SECONDS) if self._probe else left)
            self.check()
