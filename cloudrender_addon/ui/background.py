# SPDX-License-Identifier: GPL-3.0-or-later
"""Work off the main thread whose result is wanted on it: a price list, a check, a list of jobs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..backend.errors import CloudrenderError
from . import monitor
from .session import SESSION

T = TypeVar("T")

_log = logging.getLogger(__name__)


def in_background(
    key: str, work: Callable[[], T], *, then: Callable[[T], None], failed: Callable[[CloudrenderError], None]
) -> bool:
    """Run `work` on a thread, then `then(result)` or `failed(error)` on the main one; False if `key` is under way.

    `work` must not touch bpy. `SESSION.busy` holds `key` until the end.
    """
    if key in SESSION.busy:
        return False
    SESSION.busy |= {key}

    def finish(act: Callable[[], None]) -> None:
        SESSION.busy -= {key}
        act()

    def body() -> None:
        # Bound here: the names of the except clauses are gone when the main thread comes to it.
        try:
            result = work()
        except CloudrenderError as error:
            problem = error
        except Exception as bug:  # noqa: BLE001  the thread's top: the user hears of it
            _log.exception("%s failed", key)
            problem = CloudrenderError(f"Unexpected error: {type(bug).__name__}: {bug}", hint="Please report it")
        else:
            SESSION.inbox.put(lambda: finish(lambda: then(result)))
            return
        SESSION.inbox.put(lambda: finish(lambda: failed(problem)))

    threading.Thread(target=body, name=f"cloudrender {key}", daemon=True).start()
    monitor.wake()
    return True


def each_in_background(
    key: str,
    work: Callable[[], Iterator[T]],
    *,
    each: Callable[[T], None],
    then: Callable[[], None],
    failed: Callable[[CloudrenderError], None],
) -> bool:
    """Like `in_background`, with `each(item)` for everything that `work` yields, as it comes."""

    def consume() -> None:
        for item in work():
            SESSION.inbox.put(lambda item=item: each(item))  # type: ignore[misc]

    return in_background(key, consume, then=lambda _: then(), failed=failed)
