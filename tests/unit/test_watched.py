# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work in a terminal: the order of what is said, and what becomes of it when the terminal is closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled
from cloudrender_addon.cli.display import LineDisplay
from cloudrender_addon.cli.drive import stop_signals
from cloudrender_addon.cli.watched import watched
from tests.cloud.command import ROOT, wait_for

SESSION = """
import fcntl, pathlib, sys, termios
from cloudrender_addon.cli.display import BarDisplay
from cloudrender_addon.cli.watched import watched

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
begun, undone = map(pathlib.Path, sys.argv[1:])

def work(say, cancel):
    begun.touch()
    try:
        cancel.sleep(60)
    finally:
        say("Undoing what was done")
        undone.write_text("done")

try:
    watched(work, BarDisplay())
except Exception as error:
    print("said to nobody", flush=True)
    sys.exit(130)
"""


class Display(LineDisplay):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_that_it_stops_is_said_before_what_comes_of_it() -> None:
    def work(say: Callable[[str], None], cancel: CancelToken) -> None:
        say("At it")
        os.kill(os.getpid(), signal.SIGINT)
        try:
            cancel.sleep(30)
        finally:
            say("Undoing")

    display = Display()
    with pytest.raises(Cancelled):
        watched(work, display)
    assert display.said[-2:] == ["Stopping …", "Undoing"] or display.said == ["Stopping …", "At it", "Undoing"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_a_terminal_that_is_closed_cancels_the_work(tmp_path: Path) -> None:
    begun, undone = tmp_path / "begun", tmp_path / "undone"
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", SESSION, str(begun), str(undone)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        wait_for(begun.exists, "the work to begin")
        os.close(ours)
        assert process.wait(timeout=60) == 130, "a print after that did not fail"
        assert undone.read_text() == "done"
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
@pytest.mark.parametrize(("handler", "hang_up"), [(signal.SIG_IGN, True), (signal.SIG_DFL, False)])
def test_under_nohup_and_in_a_render_a_closed_terminal_stays_what_it_is(
    handler: signal.Handlers, hang_up: bool
) -> None:
    before = signal.signal(signal.SIGHUP, handler)
    try:
        with stop_signals(CancelToken(), hang_up=hang_up):
            assert signal.getsignal(signal.SIGHUP) == handler
    finally:
        signal.signal(signal.SIGHUP, before)
