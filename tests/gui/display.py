# SPDX-License-Identifier: GPL-3.0-or-later
"""A screen for windows that nobody sees: Xvfb, and commands run in the root folder that has it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH, HEIGHT = 1600, 1000
_IN_ROOT = Path(__file__).with_name("in_root.sh")
_START_SECONDS = 30.0


def in_root(command: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """Return the command line that runs `command` in the private root, with these environment variables only."""
    settings = [f"{name}={value}" for name, value in variables.items()]
    return [str(_IN_ROOT), "env", "-i", "PATH=/usr/sbin:/usr/bin", "LC_ALL=C.UTF-8", *settings, *command]


def end(process: subprocess.Popen[bytes], *, patience: float = 5.0) -> None:
    """End a process that this one started, by force after `patience` seconds."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Display:
    """One screen, from entering to leaving the context."""

    def __init__(self, folder: Path) -> None:
        self.name = ""
        self._log = folder / "xvfb.log"

    def __enter__(self) -> Display:
        sockets = Path("/tmp/.X11-unix")
        sockets.mkdir(exist_ok=True)
        sockets.chmod(0o1777)
        theirs, ours = os.pipe()
        command = ["Xvfb", "-displayfd", str(ours), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "+extension", "GLX"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                in_root([*command, "-nolisten", "tcp", "-noreset"], {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(ours,),
                start_new_session=True,  # a Ctrl-C in the terminal is for pytest, which ends this one in good order
            )
        os.close(ours)
        with os.fdopen(theirs) as pipe:
            ready, _, _ = select.select([pipe], [], [], _START_SECONDS)
            number = pipe.readline().strip() if ready else ""
        if not number:
            end(self._process)
            raise RuntimeError(f"Xvfb did not start: {self._log.read_text()}")
        self.name = f":{number}"
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)

    def run(self, *command: str) -> str:
        """Run a command on this screen (xdotool, import) and return what it prints. Raises CalledProcessError."""
        whole = in_root(command, {"DISPLAY": self.name, "HOME": "/tmp"})
        return subprocess.run(whole, stdout=subprocess.PIPE, check=True, text=True, timeout=30).stdout
