# SPDX-License-Identifier: GPL-3.0-or-later
"""When to leave the machine before all frames are done: it will be taken away, or AWS recommends to go elsewhere."""

from __future__ import annotations

import time

from .interruption import InterruptionWatch
from .progress import Progress

INTERRUPTION = "interruption"
REBALANCE = "rebalance"

_MARGIN_SECONDS = 15.0  # to publish a last frame and hand it over before an interruption
_LAST_SECONDS = 2.0  # a frame that is not published by then will not be fetched any more


class Leaving:
    """Judges by what the metadata service said and how long frames take.

    `move_seconds` is what a move to another machine has to be worth: a recommendation is followed when this machine
    has rendered for so long and as much work is left; None: never.
    """

    def __init__(self, watch: InterruptionWatch, progress: Progress, *, move_seconds: int | None) -> None:
        self._watch = watch
        self._progress = progress
        self._move_seconds = move_seconds
        self._began = time.monotonic()

    def reason(self) -> str:
        """Say why no further frame should be begun; "" if one should."""
        if self._ends_too_soon():
            return INTERRUPTION
        return REBALANCE if self._watch.recommended and self._moving_pays() else ""

    def in_vain(self, *, since: float) -> bool:
        """Tell whether a frame that was begun at `since` (monotonic) is lost even if it is as quick as any before."""
        notice = self._watch.notice
        if notice is None:
            return False
        now = time.monotonic()
        left = notice.ends_at - now
        fastest = self._progress.fastest_seconds
        return left < _LAST_SECONDS or (fastest is not None and fastest - (now - since) > left)

    def _ends_too_soon(self) -> bool:
        """Tell whether a frame begun now would probably not be done when the machine is taken away."""
        notice, typical = self._watch.notice, self._progress.typical_seconds
        if notice is None:
            return False
        return typical is None or typical > notice.ends_at - time.monotonic() - _MARGIN_SECONDS

    def _moving_pays(self) -> bool:
        typical = self._progress.typical_seconds
        if self._move_seconds is None or typical is None:
            return False
        worked, left = time.monotonic() - self._began, self._progress.missing * typical
        return min(worked, left) >= self._move_seconds
