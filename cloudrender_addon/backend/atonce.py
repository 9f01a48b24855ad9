# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask several questions at once, on threads that no exit of the program waits for.

`concurrent.futures` joins its threads when the interpreter ends: Blender would hang at quitting for as long as a call
to the network takes (measured: 3 s for a thread that slept as long).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Answer(Generic[T]):
    """What a question will be answered."""

    def __init__(self, question: Callable[[], T]) -> None:
        self._done = threading.Event()
        self._answer: tuple[T, None] | tuple[None, BaseException]  # there when done
        self._question = question
        threading.Thread(target=self._ask, name="question", daemon=True).start()

    def get(self) -> T:
        """Wait for the answer; raise what the question raised. The question keeps its own deadline."""
        self._done.wait()
        value, error = self._answer
        if error is not None:
            raise error
        return value  # type: ignore[return-value]  # no error: there is a value

    def ready(self, *, seconds: float) -> bool:
        """Wait for so long at most; tell whether the answer is there. (On Windows Ctrl-C ends no endless wait.)"""
        return self._done.wait(seconds)

    def _ask(self) -> None:
        try:
            self._answer = (self._question(), None)
        except BaseException as error:  # noqa: BLE001  the thread's top: raised where it is waited for
            self._answer = (None, error)
        self._done.set()


def all_at_once(questions: Iterable[Callable[[], T]]) -> list[T]:
    """Return the answers in order, or raise the first error in that order once all are answered."""
    answers = [Answer(question) for question in questions]
    results: list[T] = []
    errors: list[BaseException] = []
    for answer in answers:
        try:
            results.append(answer.get())
        except BaseException as error:  # noqa: BLE001  raised below
            errors.append(error)
    if errors:
        raise errors[0]
    return results
