# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work that is no job, watched in a terminal: what it says is shown, Ctrl-C reaches it."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from ..backend.cancel import CancelToken
from .display import Display
from .drive import stop_signals

T = TypeVar("T")
Say = Callable[[str], None]

_TICK_SECONDS = 0.25


def watched(work: Callable[[Say, CancelToken], T], display: Display) -> T:
    """Run `work` on a thread and show what it says; Ctrl-C, SIGTERM and SIGHUP reach it through the token."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    cancel = CancelToken()
    result: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work(said.put, cancel))
        except BaseException as error:  # noqa: BLE001 - raised on the main thread
            errors.append(error)

    # A daemon: if this process must go, it goes; the record and the machine's own switch do the rest.
    thread = threading.Thread(target=run, name="watched", daemon=True)
    with stop_signals(cancel, hang_up=True) as presses:
        answered = 0

        def answer() -> None:
            nonlocal answered
            if len(presses) > answered:
                display.say("Still ending what was begun; please wait" if answered else "Stopping …")
                answered = len(presses)

        thread.start()
        while True:
            alive = thread.is_alive()  # asked first: what a thread says before its end is in the queue then
            with contextlib.suppress(queue.Empty):
                while True:
                    text = said.get(timeout=_TICK_SECONDS if alive else 0.0)
                    answer()  # first: the text may be what the press led to
                    display.say(text)
            answer()
            if not alive:
                break
    if errors:
        raise errors[0]
    return result[0]
