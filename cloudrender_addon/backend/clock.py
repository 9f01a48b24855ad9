# SPDX-License-Identifier: GPL-3.0-or-later
"""The time by which a job is limited and billed: nobody who sets this computer's clock moves it."""

from __future__ import annotations

import time


def now() -> float:
    """Return epoch seconds: the time of day when this process began, and what has really passed since."""
    return _BEGAN + _steady() - _BEGAN_STEADY


def _steady() -> float:
    """Return seconds that also pass while the computer sleeps: the machine is billed meanwhile."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


# Python's own monotonic clock stands still then on Linux and macOS; on Windows,
# which has neither of these, it does not.
_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
_BEGAN, _BEGAN_STEADY = time.time(), _steady()
