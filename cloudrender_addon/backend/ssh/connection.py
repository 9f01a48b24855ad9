# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to one machine, on which commands are run and bytes streamed in and out.

Importing this imports paramiko (0.2 s): what is imported at start-up imports it where it is first used.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Generator
from pathlib import Path
from typing import NamedTuple

import paramiko

from ..cancel import CancelToken
from ..errors import LinkError, MachineError
from .command import InputClosed, RemoteCommand
from .handshake import drop, open_transport
from .watchdog import Watchdog

_MAX_ANSWER_BYTES = 1 << 20
_MAX_COMPLAINT_LINES = 20
_DISK_FULL = b"No space left on device"
_TOLD_TO_END = (-1, 129, 137, 143)  # by a signal; by SIGHUP, SIGKILL, SIGTERM as a shell puts it


class Answer(NamedTuple):
    """How a command ended: exit status (−1: by a signal), output, and the end of its standard error."""

    status: int
    output: bytes
    complaints: bytes

    def check(self, task: str) -> bytes:
        """Return the output. Raises `MachineError` ("`task` failed on the machine …") for a status other than 0.

        A command that was told to end is a `LinkError`: that is what a machine on its way down does to it.
        """
        if self.status == 0:
            return self.output
        lines = self.complaints.decode("utf-8", "replace").splitlines()[-_MAX_COMPLAINT_LINES:]
        if _DISK_FULL in self.complaints:
            raise MachineError(
                f"{task} failed: the disk of the rented machine is full",
                hint="Name what the render does not need in .cloudrenderignore",
                details=tuple(lines),
            )
        error = LinkError if self.status in _TOLD_TO_END else MachineError
        raise error(f"{task} failed on the machine (exit status {self.status})", details=tuple(lines))


class SshConnection:
    """Runs commands, each on a channel of its own; several threads may do so at the same time.

    Every call raises `LinkError` when the connection breaks or nothing is heard for the time given, and
    `Cancelled` within 0.3 s of a cancel, even if the machine is frozen. After either of them the connection may be
    gone: open a new one.
    """

    def __init__(self, transport: paramiko.Transport, again: Callable[..., SshConnection]) -> None:
        self._transport = transport
        self._again = again
        self.round_trip = math.inf
        """The quickest answer to anything so far, in seconds."""
        self._watchdog = Watchdog(lambda: drop(transport))

    @classmethod
    def open(
        cls, *, address: str, port: int, user: str, key_file: Path, host_key: str, cancel: CancelToken, timeout: float
    ) -> SshConnection:
        """Connect and log in within `timeout` seconds; `host_key` is "ssh-ed25519 AAAA…".

        Raises `LinkError`, `HostKeyError`, `RecordError`, `Cancelled`.
        """
        again = functools.partial(cls.open, address=address, port=port, user=user, key_file=key_file, host_key=host_key)
        transport = open_transport(
            address=address,
            port=port,
            user=user,
            key_file=key_file,
            host_key=host_key,
            cancel=cancel,
            timeout=timeout,
        )
        return cls(transport, again)

    def another(self, *, cancel: CancelToken, timeout: float) -> SshConnection:
        """Open a second connection to the same machine, with a stream of its own. Raises as `open` does."""
        return self._again(cancel=cancel, timeout=timeout)

    def run(self, command: str, *, stdin: bytes = b"", silence_seconds: float, cancel: CancelToken) -> Answer:
        """Run a command to its end. Raises `MachineError` if it prints more than 1 MB."""
        return self.write_stream(
            command, lambda send: send(memoryview(stdin)), silence_seconds=silence_seconds, cancel=cancel
        )

    def write_stream(
        self,
        command: str,
        writer: Callable[[Callable[[memoryview], None]], None],
        *,
        silence_seconds: float,
        cancel: CancelToken,
    ) -> Answer:
        """Run a command whose input is what `writer` passes to the function it gets, at its own pace.

        The command may end before it has read everything; what the writer itself raises goes through.
        """
        output = bytearray()
        with self.command(command, silence_seconds=silence_seconds, cancel=cancel) as remote:
            try:
                writer(remote.send)
                remote.end_input()
            except InputClosed:
                pass  # its status says whether it had reason to
            for chunk in remote.output():
                output += chunk
                if len(output) > _MAX_ANSWER_BYTES:
                    raise MachineError("The machine answers with more than makes sense")
            return Answer(remote.status(), bytes(output), remote.complaints)

    def read_stream(
        self, command: str, *, task: str, silence_seconds: float, cancel: CancelToken
    ) -> Generator[bytes, None, None]:
        """Yield what a command prints, as it comes. Raises as `Answer.check` does when it does not exit with 0."""
        with self.command(command, silence_seconds=silence_seconds, cancel=cancel) as remote:
            yield from remote.output()
            Answer(remote.status(), b"", remote.complaints).check(task)

    def stream_lines(
        self, command: str, *, task: str, silence_seconds: float, cancel: CancelToken
    ) -> Generator[bytes, None, None]:
        """Yield the lines that a command prints, one by one, as `stream_batches` does."""
        batches = self.stream_batches(command, task=task, silence_seconds=silence_seconds, cancel=cancel)
        with contextlib.closing(batches):
            for batch in batches:
                yield from batch

    def stream_batches(
        self, command: str, *, task: str, silence_seconds: float, cancel: CancelToken
    ) -> Generator[list[bytes], None, None]:
        """Yield the lines a command prints, those that come at once together, without their ends.

        What follows the last end is dropped.

        Raises `MachineError` for a line over 16 MB, and as `read_stream` does.
        """
        with self.command(command, silence_seconds=silence_seconds, cancel=cancel) as remote:
            yield from remote.batches()
            Answer(remote.status(), b"", remote.complaints).check(task)

    def close(self) -> None:
        """Drop the connection under whoever uses it. Never waits, never raises."""
        self._watchdog.stop()
        drop(self._transport)

    def command(self, command: str, *, silence_seconds: float, cancel: CancelToken) -> RemoteCommand:
        """Return a command to be talked with while it runs: it starts when it is entered."""
        return RemoteCommand(
            self._transport,
            self._watchdog,
            command,
            silence_seconds=silence_seconds,
            cancel=cancel,
            on_round_trip=self._note_round_trip,
        )

    def _note_round_trip(self, seconds: float) -> None:
        self.round_trip = min(self.round_trip, seconds)
