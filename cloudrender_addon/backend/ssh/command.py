# SPDX-License-Identifier: GPL-3.0-or-later
"""One command on the machine, with its input and output; every wait hears cancel and ends at a dead peer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import paramiko

from ..cancel import CancelToken
from ..errors import LinkError, MachineError
from .handshake import cause
from .watchdog import Watchdog

_POLL_SECONDS = 0.1
_READ_BYTES = 1 << 20
_COMPLAINT_BYTES = 16 << 10
_CLOSE_SECONDS = 1.0

_MAX_LINE_BYTES = 16 << 20
"""The longest says which of a million files are lacking."""

PACKET_BYTES = 32_704
"""What fits into one SSH packet; a longer write would be cut up, and its rest copied each time."""


class InputClosed(Exception):
    """The command ended before it had read all its input; its status and complaints say why."""


class RemoteCommand:
    """A running command on a channel of its own: a context manager that starts it and lets go of it.

    `on_round_trip` gets the seconds that the machine took to answer a request that costs it nothing.
    Each call ends within `silence_seconds` without a sign of the peer: `LinkError`; all raise `Cancelled`.
    """

    def __init__(
        self,
        transport: paramiko.Transport,
        watchdog: Watchdog,
        command: str,
        *,
        silence_seconds: float,
        cancel: CancelToken,
        on_round_trip: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._transport = transport
        self._on_round_trip = on_round_trip
        self._watchdog = watchdog
        self._command = command
        self._silence = silence_seconds
        self._cancel = cancel
        self._complaints = bytearray()
        self._channel: paramiko.Channel

    def __enter__(self) -> RemoteCommand:
        with self._patience():
            asked = time.monotonic()
            self._channel = self._transport.open_session(timeout=self._silence)
            self._on_round_trip(time.monotonic() - asked)
        self._channel.settimeout(_POLL_SECONDS)
        try:
            with self._patience():
                self._channel.exec_command(self._command)
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def send(self, data: memoryview) -> None:
        """Give the command more input. Raises `InputClosed` when it takes none any more."""
        while data:
            with self._patience() as deadline:
                data = data[self._send_some(data[:PACKET_BYTES], deadline) :]

    def end_input(self) -> None:
        """Tell the command that there is no more input."""
        with self._patience():
            self._channel.shutdown_write()

    def output(self) -> Iterator[bytes]:
        """Yield what the command prints, as it comes, until it closes its output."""
        while chunk := self._receive():
            yield chunk

    def lines(self) -> Iterator[bytes]:
        """Yield the lines it prints, as they come; as `batches` does."""
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[bytes]]:
        """Yield the lines it prints, those that come at once together, without their ends; what follows is dropped.

        Raises `MachineError` for one longer than makes sense.
        """
        rest = bytearray()
        for chunk in self.output():
            *lines, rest = (rest + chunk).split(b"\n")
            if max(map(len, (*lines, rest))) > _MAX_LINE_BYTES:
                raise MachineError("The machine sends a line that does not end")
            if lines:
                yield list(map(bytes, lines))

    def status(self) -> int:
        """Return the exit status, −1 if a signal ended the command. To be asked after `output` is at its end."""
        with self._patience() as deadline:
            while not self._channel.status_event.wait(_POLL_SECONDS):
                self._check(deadline)
            self._hear_complaints()
        if self._gone():
            raise self._lost()
        return self._channel.exit_status

    @property
    def complaints(self) -> bytes:
        """The end of what the command printed on standard error."""
        return bytes(self._complaints)

    def _send_some(self, data: memoryview, deadline: float) -> int:
        while not self._channel.closed:
            try:
                if sent := self._channel.send(data):  # type: ignore[arg-type]  # any buffer will do, uncopied
                    return sent
            except TimeoutError:
                self._check(deadline)
            except OSError:
                if not self._channel.closed:
                    raise
        if self._gone():
            raise self._lost()
        raise InputClosed

    def _receive(self) -> bytes:
        with self._patience() as deadline:
            while True:
                self._hear_complaints()
                try:
                    chunk = self._channel.recv(_READ_BYTES)
                except TimeoutError:
                    self._check(deadline)
                else:
                    break
        if not chunk and not self._channel.eof_received:
            raise self._lost()
        return chunk

    def _gone(self) -> bool:
        """Tell whether it was the connection that ended, not the command: neither its output nor it was finished."""
        return self._channel.exit_status == -1 and not self._channel.eof_received

    def _hear_complaints(self) -> None:
        """Read standard error along with the rest: unread, it would fill the window and stop the command."""
        while self._channel.recv_stderr_ready():
            self._complaints += self._channel.recv_stderr(_READ_BYTES)
            del self._complaints[:-_COMPLAINT_BYTES]

    def _let_go(self) -> None:
        # Here and not left to the channel's finalizer, which a full socket would block for ever.
        with (
            self._watchdog.guard(seconds=_CLOSE_SECONDS, cancel=self._cancel),
            contextlib.suppress(paramiko.SSHException, EOFError, OSError),
        ):
            self._channel.close()

    def _check(self, deadline: float) -> None:
        self._cancel.check()
        if time.monotonic() > deadline:
            raise LinkError(f"The machine has not answered for {self._silence:g} s")

    @contextlib.contextmanager
    def _patience(self) -> Iterator[float]:
        """Bound what happens inside, and call the many ways a connection breaks by one name."""
        with self._watchdog.guard(seconds=self._silence, cancel=self._cancel) as deadline:
            try:
                yield deadline
            except (paramiko.SSHException, EOFError, OSError) as error:
                self._check(deadline)
                raise self._lost(cause(error)) from error

    def _lost(self, reason: str = "the other side closed it") -> LinkError:
        self._cancel.check()
        return LinkError(f"The connection to the machine broke: {reason}")
