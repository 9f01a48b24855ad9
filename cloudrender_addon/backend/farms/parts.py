# SPDX-License-Identifier: GPL-3.0-or-later
"""One large file over several connections: parts are handed out to whoever is free, and hashed in order."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from typing import IO

from ..cancel import CancelToken
from ..errors import MachineError, TransferError
from .incoming import Lane
from .link import RemoteFile

_PART_BYTES = 1 << 20
_AHEAD = 3
"""Parts that a connection has asked for, so that it never waits for a question to get there."""

_POLL_SECONDS = 0.1
_JOIN_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Parts:
    """Fetches one file. The first lane is the link's own: its errors are the file's; what others leave, it does."""

    def __init__(self, file: RemoteFile, out: IO[bytes], *, lanes: tuple[Lane, ...], cancel: CancelToken) -> None:
        self._file = file
        self._out = out
        self._lanes = lanes
        self._cancel = cancel
        self._left = deque(range(-(-file.size // _PART_BYTES)))
        self._count = len(self._left)
        self._done: set[int] = set()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._over = False

    def run(self) -> str:
        """Return the hash of what has been written. Raises as `Download.fetch` does."""
        threads = [
            threading.Thread(target=self._work, args=(lane,), name=f"cloudrender-download-{n}", daemon=True)
            for n, lane in enumerate(self._lanes)
        ]
        for thread in threads:
            thread.start()
        try:
            return self._hash()
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
            for lane, thread in zip(self._lanes, threads, strict=True):
                thread.join(_JOIN_SECONDS)
                if thread.is_alive():  # waiting for a machine that says nothing
                    lane.drop()
                    thread.join(_JOIN_SECONDS)

    def _hash(self) -> str:
        """Hash the parts in order, each as soon as it and all before it are here."""
        digest = hashlib.sha256()
        for number in range(self._count):
            with self._changed:
                while number not in self._done:
                    if self._error:
                        raise self._error
                    self._cancel.check()
                    self._changed.wait(_POLL_SECONDS)
                self._out.seek(number * _PART_BYTES)
                data = self._out.read(_PART_BYTES)
            digest.update(data)
        return digest.hexdigest()

    def _work(self, lane: Lane) -> None:
        asked: deque[int] = deque()
        try:
            self._fetch(lane, asked)
        except BaseException as error:  # noqa: BLE001 - raised by `_hash`, or the parts are left to others
            lane.close()  # of its channel, in whose middle it may be
            with self._changed:
                self._left.extendleft(reversed(asked))
                if lane is self._lanes[0] or not isinstance(error, MachineError):
                    self._error = self._error or error
                else:
                    lane.drop()
                    _log.info("a connection beside the first one ended early: %r", error)
                self._changed.notify_all()

    def _fetch(self, lane: Lane, asked: deque[int]) -> None:
        incoming = lane.incoming(self._cancel, fresh=True)
        while True:
            while len(asked) < _AHEAD and (number := self._take(wait=not asked and lane is self._lanes[0])) is not None:
                asked.append(number)
                incoming.ask(self._file, offset=number * _PART_BYTES, length=self._length(number))
            if not asked:
                return
            data = b"".join(incoming.read())
            if len(data) != self._length(asked[0]):
                raise TransferError(f"{self._file.name} arrived damaged", hint="It is fetched again.")
            with self._changed:
                if self._over:
                    return
                self._out.seek(asked[0] * _PART_BYTES)
                self._out.write(data)
                self._done.add(asked.popleft())
                self._changed.notify_all()

    def _length(self, number: int) -> int:
        return min(_PART_BYTES, self._file.size - number * _PART_BYTES)

    def _take(self, *, wait: bool) -> int | None:
        """Return the next part; None if there is none, or, with `wait`, when all are here."""
        with self._changed:
            while not self._over:
                if self._left:
                    return self._left.popleft()
                if not wait or len(self._done) == self._count:
                    return None
                self._changed.wait(_POLL_SECONDS)
            return None
