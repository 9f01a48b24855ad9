# SPDX-License-Identifier: GPL-3.0-or-later
"""Other programs that the agent runs: how they ended, and all that they said."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cloudrender_addon.instance.program import run_program


def test_code_and_both_streams_are_told() -> None:
    text = "import os, sys; os.write(1, b'one\\n'); os.write(2, b'two \\xff\\n'); sys.exit(repr(sys.stdin.read()))"
    ended = run_program([sys.executable, "-c", text], seconds=30)
    assert (ended.code, ended.lines) == (1, ["one", "two �", "''"])


def test_it_speaks_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    text = "import os; print(os.environ['LC_ALL'], 'HOME' in os.environ)"
    assert run_program([sys.executable, "-c", text], seconds=30).text == "C True\n"


def test_one_that_is_not_there_or_never_ends_is_an_error() -> None:
    with pytest.raises(OSError, match="no such program"):
        run_program(["/no such program"], seconds=30)
    with pytest.raises(subprocess.TimeoutExpired):
        run_program([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.5)
