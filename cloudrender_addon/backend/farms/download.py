# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring finished files here: small ones asked for ahead, large ones from afar over several connections."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from ..cancel import CancelToken
from ..errors import LinkError, MachineError, TransferError
from .connections import CONNECT_SECONDS, FAR_SECONDS, MOST_CONNECTIONS
from .incoming import Incoming, Lane
from .link import RemoteFile
from .parts import Parts

if TYPE_CHECKING:
    from ..ssh.connection import SshConnection

_AHEAD_BYTES = 8 << 20
"""Twice what the channel holds: more is asked for when half of it is here, and the line must not wait for that."""

_AHEAD_FILES = 1000
_LARGE_BYTES = 8 << 20


class Download:
    """Fetches files over one link, one at a time. Connections beside the link's own are kept for the next file."""

    def __init__(self, connection: SshConnection, *, silence_seconds: float) -> None:
        self._connection = connection
        self._silence = silence_seconds
        self._lane = Lane(lambda _: connection, silence_seconds=silence_seconds)
        self._others: list[Lane] = []
        self._expected: deque[RemoteFile] = deque()

    def expect(self, files: Iterable[RemoteFile]) -> None:
        """Tell what will be fetched next, in order, so that it can be on its way before it is."""
        self._expected.extend(file for file in files if file.plain)

    def fetch(self, file: RemoteFile, out: IO[bytes], *, cancel: CancelToken) -> None:
        """Write a file to `out`, which is empty and can be read.

        Raises `TransferError` if it is not what was announced, `MachineError`, `LinkError`, `Cancelled`, `OSError`.
        """
        if file.size >= _LARGE_BYTES and self._connection.round_trip >= FAR_SECONDS:
            self._pass_over(file)
            while len(self._others) < MOST_CONNECTIONS - 1:
                self._others.append(Lane(self._another, silence_seconds=self._silence))
            digest = Parts(file, out, lanes=(self._lane, *self._others), cancel=cancel).run()
        else:
            digest = self._stream(file, out, cancel=cancel)
        if digest != file.sha256.lower():
            raise TransferError(f"{file.name} arrived damaged", hint="It is fetched again.")

    def close(self) -> None:
        """Let go of the other connections. Never waits, never raises."""
        for lane in self._others:
            lane.drop()
        self._others.clear()

    def _another(self, cancel: CancelToken) -> SshConnection:
        return self._connection.another(cancel=cancel, timeout=CONNECT_SECONDS)

    def _stream(self, file: RemoteFile, out: IO[bytes], *, cancel: CancelToken) -> str:
        incoming = self._lane.incoming(cancel)
        try:
            if not incoming.has_next(file):
                if incoming.asked:  # something else than was expected: begin anew
                    self._expected.extendleft(reversed(incoming.whole()))
                    self._lane.close()
                    incoming = self._lane.incoming(cancel)
                incoming.ask(file)
                self._pass_over(file)
            self._ask_ahead(incoming)
            digest, size = hashlib.sha256(), 0
            for chunk in incoming.read():
                digest.update(chunk)
                out.write(chunk)
                size += len(chunk)
        except BaseException as error:
            # One that the machine does not have is answered in full, the next answer follows.
            if not isinstance(error, MachineError) or isinstance(error, LinkError | TransferError):
                self._lane.close()
            raise
        return digest.hexdigest() if size == file.size else ""

    def _ask_ahead(self, incoming: Incoming) -> None:
        if incoming.asked > _AHEAD_FILES // 2 or incoming.ahead > _AHEAD_BYTES // 2:
            return  # many questions in one packet, rather than one in each
        while self._expected and incoming.asked <= _AHEAD_FILES and incoming.ahead < _AHEAD_BYTES:
            if self._expected[0].size >= _LARGE_BYTES:
                return  # it will be asked for in its own way
            incoming.ask(self._expected.popleft())

    def _pass_over(self, file: RemoteFile) -> None:
        """Drop a file from what is expected, and all before it: they will not be fetched any more."""
        if file in self._expected:
            while self._expected.popleft() != file:
                pass
