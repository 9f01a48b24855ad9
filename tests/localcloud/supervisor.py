# SPDX-License-Identifier: GPL-3.0-or-later
"""The power supply of one stand-in machine: starts its sshd and user data, and can cut the power of it all.

A process of its own, `python supervisor.py MACHINE.json`, the ancestor of everything that runs in the machine:
being a subreaper, it keeps daemons that fork twice among its descendants. On stdin it takes one command a line
(`hang`, `cut-links`, `fill-disk`, `close-door` and `open-door` for new SSH connections, `off`: the power cut). The end
of stdin without an `off` says that the stand-in was killed: then the machine dies as well, and its folder is nobody
else's to remove. What the machine asks for (`poweroff`, `halt`, `reboot`: the shims write it into a FIFO) goes to
stdout.
Standard library only and few imports: this is on the way of every boot.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator

import small_disk
from processes import descendants
from seatbelt import forbid_power_off

_PR_SET_CHILD_SUBREAPER = 36
_IN_ORDER = 'for part do "$part" || echo "user data: $part ended with status $?"; done'


class Supervisor:
    """Runs one machine until its power is cut."""

    def __init__(self, settings: dict) -> None:
        self._settings = settings
        self._sshd: int | None = None
        self._admitted: bool = settings["admitted"]
        self._power = os.open(settings["power"], os.O_RDWR | os.O_NONBLOCK)
        self._ssh_due: float | None = time.monotonic() + settings["ssh_after"]

    def run(self) -> bool:
        """Boot, then serve until told to end; False if stdin ended without a word."""
        self._start_sshd_when_due()
        if self._settings["scripts"]:
            self._spawn(["/bin/sh", "-c", _IN_ORDER, "user-data", *self._settings["scripts"]], "script_env")
        for line in self._lines():
            if line == "off":
                return True
            if line == "hang":
                _stop_all()
            elif line == "cut-links":
                _kill(self._is_session)
            elif line == "fill-disk":
                small_disk.fill(self._settings["env"]["TMPDIR"])
            elif line in ("open-door", "close-door"):
                self._admitted = line == "open-door"
                self._guard_door()
            elif line == "halt":  # the system stops, the machine stays powered: on AWS, too, it costs on
                _say(line)
                _stop_all()
            elif line == "reboot":
                _say(line)
                _cut_power()
                self._ssh_due = time.monotonic()
                self._start_sshd_when_due()
            else:
                _say(line)
        return False

    def _lines(self) -> Iterator[str]:
        """Yield commands from stdin and requests from the FIFO."""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(self._power, selectors.EVENT_READ)
            while True:
                wait = None if self._ssh_due is None else max(0.0, self._ssh_due - time.monotonic())
                for key, _ in selector.select(wait):
                    data = os.read(key.fd, 4096)
                    if not data and key.fd == 0:
                        return
                    yield from data.decode(errors="replace").split()
                self._start_sshd_when_due()

    def _start_sshd_when_due(self) -> None:
        if self._ssh_due is not None and time.monotonic() >= self._ssh_due:
            self._ssh_due = None
            self._sshd = self._spawn(self._settings["sshd"], "env", log=self._settings["sshd_log"])
            if not self._admitted:
                self._guard_door()

    def _guard_door(self) -> None:
        """Let sshd take new connections, or keep whoever knocks waiting, as a firewall does that drops packets."""
        if self._sshd is not None:
            _signal(self._sshd, signal.SIGCONT if self._admitted else signal.SIGSTOP)

    def _spawn(self, argv: list[str], env: str, *, log: str | None = None) -> int:
        output = log or self._settings["console"]
        files = (
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        )
        # Python ignores these signals, and would hand that down to every process of the machine.
        plain = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP)
        return os.posix_spawn(argv[0], argv, self._settings[env], file_actions=files, setsid=True, setsigdef=plain)

    def _is_session(self, pid: int, name: str) -> bool:
        return name.startswith("sshd") and pid != self._sshd


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill(chosen: Callable[[int, str], bool]) -> None:
    for pid, name in descendants([os.getpid()]).items():
        if chosen(pid, name):
            _signal(pid, signal.SIGKILL)


def _cut_power() -> None:
    """Kill everything, again and again, until nothing is left: a process may fork while it is being killed."""
    while alive := descendants([os.getpid()]):
        for pid in alive:
            _signal(pid, signal.SIGKILL)
        _reap()
        time.sleep(0.002)


def _stop_all() -> None:
    """Freeze everything; connections stay open and nobody answers."""
    frozen: set[int] = set()
    while new := set(descendants([os.getpid()])) - frozen:
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        frozen |= new


def _reap(*_: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, line.encode() + b"\n")


def _remove(folder: str) -> None:
    """Do what the stand-in, were it still there, would do with the machine's folder."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Supervise the machine that the file named on the command line describes."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - importing pathlib would slow every boot
        settings = json.load(file)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    if settings["disk_mb"]:
        small_disk.mount(settings["env"]["TMPDIR"], megabytes=settings["disk_mb"])
    forbid_power_off()
    signal.signal(signal.SIGCHLD, _reap)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    told = True
    try:
        told = Supervisor(settings).run()
    finally:
        _cut_power()
        if not told and not settings["keep"]:
            _remove(os.path.dirname(sys.argv[1]))  # noqa: PTH120 - importing pathlib would slow every boot


if __name__ == "__main__":
    main()
