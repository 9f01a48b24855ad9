# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection's channel to the agent's `serve`: files, or parts of them, in the order that they are asked for."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from ...instance.transfer import ANSWER, SERVED
from ..errors import LinkError, MachineError, TransferError
from . import agent_commands as commands
from .link import RemoteFile

if TYPE_CHECKING:
    from ..cancel import CancelToken
    from ..ssh.connection import SshConnection

_REASON_BYTES = 4096


class Incoming:
    """Parts of files that were asked for and have not been read yet. A context manager that closes the channel."""

    def __init__(self, connection: SshConnection, *, silence_seconds: float, cancel: CancelToken) -> None:
        self._talk = connection.command(
            commands.remote(commands.TALK, "serve"), silence_seconds=silence_seconds, cancel=cancel
        )
        self._rest = b""
        self._questions = bytearray()
        self._asked: deque[tuple[RemoteFile, int, int]] = deque()
        self.ahead = 0
        """Bytes that were asked for and not read."""

    def __enter__(self) -> Incoming:
        self._talk.__enter__()
        self._output = self._talk.output()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._talk.__exit__(kind, error, trace)

    @property
    def asked(self) -> int:
        """How many parts were asked for and not read."""
        return len(self._asked)

    def whole(self) -> list[RemoteFile]:
        """Return the files of which all was asked for, and has not been read."""
        return [file for file, offset, wanted in self._asked if (offset, wanted) == (0, file.size + 1)]

    def ask(self, file: RemoteFile, *, offset: int = 0, length: int | None = None) -> None:
        """Ask for a part of a file; of all of it, a byte more than it should have, so that too many are noticed.

        The question leaves with the next answer that is read.
        """
        wanted = file.size + 1 if length is None else length
        self._questions += json.dumps([file.name, offset, wanted]).encode() + b"\n"
        self._asked.append((file, offset, wanted))
        self.ahead += wanted

    def has_next(self, file: RemoteFile) -> bool:
        """Tell whether all of this file is what comes next."""
        return bool(self._asked) and self._asked[0] == (file, 0, file.size + 1)

    def read(self) -> Iterator[bytes]:
        """Yield the part that was asked for first, to be read to its end. Raises `MachineError`, `TransferError`."""
        if self._questions:
            questions, self._questions = self._questions, bytearray()
            self._talk.send(memoryview(questions))
        file, _, wanted = self._asked.popleft()
        self.ahead -= wanted
        kind, length = ANSWER.unpack(b"".join(self._take(ANSWER.size)))
        if kind != SERVED:
            reason = b"".join(self._take(min(length, _REASON_BYTES))).decode("utf-8", "replace")
            raise MachineError(f"Fetching {file.name} failed on the machine", details=(reason,))
        if length > wanted:
            raise TransferError(f"{file.name} arrives damaged", hint="It is fetched again.")
        yield from self._take(length)

    def _take(self, length: int) -> Iterator[bytes]:
        while length:
            chunk = self._rest or next(self._output, b"")
            if not chunk:
                raise LinkError("The machine stopped sending")
            self._rest = chunk[length:]
            yield (chunk := chunk[:length])
            length -= len(chunk)


class Lane:
    """A connection, which is made when it is first needed, and its channel, which stays open from file to file."""

    def __init__(self, connect: Callable[[CancelToken], SshConnection], *, silence_seconds: float) -> None:
        self._connect = connect
        self._silence = silence_seconds
        self._connection: SshConnection | None = None
        self._incoming: Incoming | None = None
        self._cancel: CancelToken | None = None

    def incoming(self, cancel: CancelToken, *, fresh: bool = False) -> Incoming:
        """Return the open channel; a `fresh` one has nothing asked for. Raises `LinkError`, `Cancelled`."""
        if self._incoming is not None and (self._cancel is not cancel or (fresh and self._incoming.asked)):
            self.close()
        if self._incoming is None:
            self._connection = self._connection or self._connect(cancel)
            self._incoming = Incoming(self._connection, silence_seconds=self._silence, cancel=cancel).__enter__()
            self._cancel = cancel
        return self._incoming

    def close(self) -> None:
        """Close the channel: what was asked for is not wanted any more. Never raises."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.__exit__(None, None, None)

    def drop(self) -> None:
        """Close the connection under whoever uses it. Never waits, never raises."""
        connection, self._connection, self._incoming = self._connection, None, None
        if connection is not None:
            connection.close()
