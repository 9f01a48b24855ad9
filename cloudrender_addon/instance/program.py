# SPDX-License-Identifier: GPL-3.0-or-later
"""Run another program to its end, and hear all that it prints."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code, negative for a signal, and what it printed on either stream."""

    code: int
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def run_program(command: list[str], *, seconds: float) -> Ended:
    """Run a program, which can ask nobody and speaks English, for so long at most.

    Raises `OSError` if it cannot be started, `subprocess.TimeoutExpired`.
    """
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    return Ended(done.returncode, done.stdout.decode("utf-8", errors="replace"))
