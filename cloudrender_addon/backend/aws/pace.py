# SPDX-License-Identifier: GPL-3.0-or-later
"""The rhythm of every wait for AWS: look at once, then less and less often, never past the deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..errors import CloudError

T = TypeVar("T")

_GROWTH = 1.6


def paced(
    *, deadline: float, first: float, longest: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[bool]:
    """Yield at once and then after pauses growing from `first` to `longest` seconds; end at the deadline.

    `deadline` is `time.monotonic()` seconds. Each turn gets False but the last one, which comes when the deadline
    is reached (so that what came true during the last pause is seen), gets True: it is the one to raise in.
    Pass `CancelToken.sleep` to hear cancel.
    """
    pause = first
    while time.monotonic() < deadline:
        yield False
        left = deadline - time.monotonic()
        if left > 0:
            sleep(min(pause, left))
        pause = min(pause * _GROWTH, longest)
    yield True


def insisted(call: Callable[[], T], *, deadline: float, sleep: Callable[[float], None] = time.sleep) -> T:
    """Return what `call` returns; after an error that time may heal it is called again, until the deadline.

    For calls that may be repeated. `deadline` is `time.monotonic()` seconds. Raises what `call` and `sleep` raise.
    """
    for last in paced(deadline=deadline, first=1.0, longest=15.0, sleep=sleep):
        try:
            return call()
        except CloudError as error:
            if last or not error.retryable:
                raise
    raise AssertionError("the last turn returns or raises")
