# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the frames of one connection into the store."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import zlib
from typing import Any, BinaryIO

from . import lease
from .root import Root
from .store import Part, Store, is_whole
from .transfer import BLOCK_BYTES, END, FRAME, RAW, block_bytes, blocks_of, runs

_RENEW_SECONDS = 10.0
_SMALL_BYTES = 256 << 10
_AHEAD = 4
"""Blocks that may wait to be written: each 8 MB at most."""


class Intake:
    """Brings the frames of one connection into the store: one thread reads, another hashes and writes."""

    def __init__(self, root: Root, store: Store, objects: tuple[tuple[str, int], ...], *, hashing: bool) -> None:
        self._root = root
        self._store = store
        self._objects = objects
        self._hashing = hashing
        self._parts: dict[int, Part] = {}
        self._damaged: list[int] = []
        self._renewed = 0.0

    def lacking(self) -> tuple[list[int], dict[int, list[tuple[int, int]]]]:
        """Return the objects that are not here, and the blocks that are lacking of those that have begun to arrive."""
        lacking, begun = [], {}
        for index, (sha256, size) in enumerate(self._objects):
            if self._store.has(sha256, size):
                continue
            lacking.append(index)
            if not is_whole(size):
                part = self._parts[index] = self._parts.get(index) or self._store.part(sha256, size)
                part.look()
                if part.blocks:
                    begun[index] = runs(part.missing())
        return lacking, begun

    def take(self, source: BinaryIO) -> list[int]:
        """Receive up to END; return which objects were damaged, and thrown away. Raises `OSError`, `ValueError`."""
        self._damaged = []
        buffers = _Buffers()
        with _Worker() as worker:
            while True:
                kind, index, number, length = FRAME.unpack(exactly(source, FRAME.size))
                if kind == END:
                    break
                size = self._objects[index][1]
                expected = block_bytes(size, number)
                if number >= blocks_of(size) or length > expected or (kind == RAW and length != expected):
                    raise ValueError("a frame that does not fit its object")
                self._renew()
                if length < _SMALL_BYTES:  # handing it over would take longer
                    self._keep(kind, index, number, exactly(source, length))
                else:
                    payload = buffers.take(length)
                    _fill(source, payload)
                    worker.do(self._keep, kind, index, number, payload, buffers)
        if self._hashing:
            self._settle()
        return self._damaged

    def _keep(
        self, kind: int, index: int, number: int, payload: bytearray | memoryview, buffers: _Buffers | None = None
    ) -> None:
        sha256, size = self._objects[index]
        data = payload if kind == RAW else _inflate(payload, block_bytes(size, number))
        if not is_whole(size):
            part = self._parts.get(index)
            if part is None:
                part = self._parts[index] = self._store.part(sha256, size)
            part.add(number, data)
            if self._hashing:
                part.hash_on()
        elif not self._store.put(sha256, data):
            self._damaged.append(index)
        if buffers is not None and isinstance(payload, memoryview):
            buffers.give_back(payload)

    def _settle(self) -> None:
        """Keep the large objects that are complete, whichever connections brought them."""
        for index, part in list(self._parts.items()):
            part.look()
            if not part.missing():
                if not self._store.settle(part):
                    self._damaged.append(index)
                del self._parts[index]

    def _renew(self) -> None:
        """Let the machine live on while somebody sends: nobody else renews its lease before there is work."""
        if time.monotonic() - self._renewed >= _RENEW_SECONDS:
            self._renewed = time.monotonic()
            with contextlib.suppress(OSError, ValueError):  # the old one still runs
                lease.renew(self._root)


class _Buffers:
    """Memory for blocks, used again and again: new memory costs the kernel more than what is put there."""

    def __init__(self) -> None:
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()

    def take(self, length: int) -> memoryview:
        """Return so many bytes."""
        if length > BLOCK_BYTES:
            return memoryview(bytearray(length))
        try:
            buffer = self._free.get_nowait()
        except queue.Empty:
            buffer = bytearray(BLOCK_BYTES)
        return memoryview(buffer)[:length]

    def give_back(self, view: memoryview) -> None:
        """Take back what `take` gave, which nobody uses any more."""
        buffer = view.obj
        if isinstance(buffer, bytearray) and len(buffer) == BLOCK_BYTES:
            self._free.put(buffer)


class _Worker:
    """Does things in order on another thread, a few at most ahead; what goes wrong there is raised here."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[Any, ...] | None] = queue.Queue(_AHEAD)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)

    def __enter__(self) -> _Worker:
        self._thread.start()
        return self

    def do(self, *call: Any) -> None:
        self._queue.put(call)
        if self._error:
            raise self._error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._queue.put(None)
            self._thread.join()
            if self._error:
                raise self._error

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            if self._error is None:
                try:
                    call[0](*call[1:])
                except BaseException as error:  # noqa: BLE001 - raised where it is heard
                    self._error = error


def exactly(source: BinaryIO, length: int) -> bytearray:
    """Read so many bytes. Raises `EOFError`: a client whose line was cut."""
    data = bytearray(length)
    _fill(source, memoryview(data))
    return data


def _fill(source: BinaryIO, view: memoryview) -> None:
    """Read until it is full. Raises `EOFError` as `exactly` does."""
    while view:
        count = source.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the project has not arrived whole")
        view = view[count:]


def _inflate(data: bytearray | memoryview, length: int) -> bytes:
    inflater = zlib.decompressobj()
    found = inflater.decompress(data, length)
    if len(found) != length or not inflater.eof:
        raise ValueError("a compressed block of another length")
    return found
