# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a project in: say what is lacking, receive it, look whether it is genuine, and put it in its place.

Input and output are one conversation. First line out: where things stand ("present": the project is there, "ended": the
agent has, so nobody would render it, "lacking"). Then in: the manifest; out: what is lacking; in: frames of it up to
END; out: what is lacking still, until nothing is. Empty lines say that somebody is at work here.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import queue
import shutil
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from . import lease
from .assemble import assemble
from .journal import Journal
from .manifest import Entry, objects_of, parse_manifest
from .root import Root
from .store import Part, Store, is_whole
from .transfer import BLOCK_BYTES, END, FRAME, LENGTH, RAW, block_bytes, blocks_of, runs

_BUFFER_BYTES = 64 << 10
"""For what is small; what is larger is read to where it stays."""
_HEARTBEAT_SECONDS = 2.0
_RENEW_SECONDS = 10.0
_SMALL_BYTES = 256 << 10
_AHEAD = 4
"""Blocks that may wait to be written: each 8 MB at most."""

_MANIFEST_BYTES = 1 << 30


def receive(root: Root, *, manifest: str | None) -> int:
    """Serve one connection and return the exit code.

    The one that leads gives no `manifest`: it sends one, and hears what is lacking. Others name by its hash the one
    that the leading one has sent, and just bring frames.
    """
    source = io.BufferedReader(_Rest(), _BUFFER_BYTES)
    store = Store(root.store)
    if manifest is None:
        return _Leading(root, store, source).run()
    objects = objects_of(parse_manifest(Path(store.path(manifest)).read_bytes()))
    Intake(root, store, objects, hashing=False).take(source)
    _Answers().say(received=True)
    return 0


class _Leading:
    def __init__(self, root: Root, store: Store, source: BinaryIO) -> None:
        self._root = root
        self._store = store
        self._source = source
        self._answers = _Answers()
        self._watch = _Watch(root, self._answers)

    def run(self) -> int:
        state = self._state()
        self._answers.say(state=state)
        if state != "lacking":
            return 0
        self._watch.start()
        (length,) = LENGTH.unpack(_exactly(self._source, LENGTH.size))
        if length > _MANIFEST_BYTES:
            raise ValueError("a manifest of a size that no project has")
        text = zlib.decompress(_exactly(self._source, length))
        entries = parse_manifest(text)
        self._store.put(hashlib.sha256(text).hexdigest(), text)
        self._fill(entries)
        assemble(entries, store=self._store, project=self._root.project)
        self._watch.stop()
        self._answers.say(complete=True)
        return 0

    def _state(self) -> str:
        if self._root.project.is_dir():
            return "present"
        return "ended" if Journal(self._root.events).ended() else "lacking"

    def _fill(self, entries: tuple[Entry, ...]) -> None:
        """Receive until nothing is lacking."""
        objects = objects_of(entries)
        intake = Intake(self._root, self._store, objects, hashing=True)
        damaged: list[int] = []
        while True:
            lacking, begun = intake.lacking()
            free = shutil.disk_usage(str(self._root.path)).free
            self._answers.say(lacking=runs(lacking), begun=begun, damaged=damaged, free=free)
            if not lacking:
                return
            damaged = intake.take(self._source)


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
                kind, index, number, length = FRAME.unpack(_exactly(source, FRAME.size))
                if kind == END:
                    break
                size = self._objects[index][1]
                expected = block_bytes(size, number)
                if number >= blocks_of(size) or length > expected or (kind == RAW and length != expected):
                    raise ValueError("a frame that does not fit its object")
                self._renew()
                if length < _SMALL_BYTES:  # handing it over would take longer
                    self._keep(kind, index, number, _exactly(source, length))
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


class _Watch(threading.Thread):
    """Gives signs of life, and ends this process as soon as the agent has ended: nobody will render the project."""

    def __init__(self, root: Root, answers: _Answers) -> None:
        super().__init__(name="watch", daemon=True)
        self._answers = answers
        self._journal = Journal(root.events)
        self._done = threading.Event()

    def run(self) -> None:
        seen = -1
        while not self._done.wait(_HEARTBEAT_SECONDS):
            size = self._journal.path.stat().st_size if self._journal.path.exists() else 0
            if size != seen:
                seen = size
                if self._journal.ended():
                    self._answers.say(state="ended")
                    os._exit(0)
            self._answers.beat()

    def stop(self) -> None:
        """Be silent: what has been received is in its place."""
        self._done.set()
        self.join()


class _Rest(io.RawIOBase):
    """Standard input, of which some may have been read ahead."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = sys.stdin.buffer.readinto1(buffer)  # type: ignore[union-attr]
        return count


def _exactly(source: BinaryIO, length: int) -> bytearray:
    """Read so many bytes. Raises `EOFError`: a client whose line was cut."""
    data = bytearray(length)
    _fill(source, memoryview(data))
    return data


def _fill(source: BinaryIO, view: memoryview) -> None:
    """Read until it is full. Raises `EOFError` as `_exactly` does."""
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


class _Answers:
    """Standard output, in lines that are never mixed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def say(self, **what: Any) -> None:
        self._print(json.dumps(what, separators=(",", ":")).encode())

    def beat(self) -> None:
        self._print(b"")

    def _print(self, line: bytes) -> None:
        view = memoryview(line + b"\n")
        with self._lock:
            while view:
                view = view[os.write(1, view) :]
