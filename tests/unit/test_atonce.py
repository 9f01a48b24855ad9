# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions asked at once: all answered, in order, and no program waits for them at its end."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial

import pytest

from cloudrender_addon.backend.atonce import Answer, all_at_once


def test_all_are_asked_at_once_and_answered_in_order() -> None:
    together = threading.Barrier(3, timeout=10)

    def ask(number: int) -> int:
        together.wait()  # passes only when all three are under way
        return number

    assert all_at_once(partial(ask, number) for number in (3, 1, 2)) == [3, 1, 2]


def test_the_first_error_is_raised_when_all_are_answered() -> None:
    asked = []

    def fail(name: str) -> None:
        asked.append(name)
        raise KeyError(name)

    with pytest.raises(KeyError, match="one"):
        all_at_once(partial(fail, name) for name in ("one", "two"))
    assert sorted(asked) == ["one", "two"]


def test_an_error_is_raised_where_the_answer_is_wanted() -> None:
    answer = Answer(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        answer.get()


def test_a_question_under_way_does_not_hold_the_end_of_the_program() -> None:
    program = (
        "import threading\n"
        "from cloudrender_addon.backend.atonce import Answer\n"
        "asked = threading.Event()\n"
        "Answer(lambda: (asked.set(), threading.Event().wait(60)))\n"
        "assert asked.wait(10)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=20)
