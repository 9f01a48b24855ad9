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
import shutil
import sys
import threading
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from .assemble import assemble
from .intake import Intake, exactly
from .journal import Journal
from .manifest import Entry, objects_of, parse_manifest
from .root import Root
from .store import Store
from .transfer import LENGTH, runs

_BUFFER_BYTES = 64 << 10
"""For what is small; what is larger is read to where it stays."""
_HEARTBEAT_SECONDS = 2.0
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
        (length,) = LENGTH.unpack(exactly(self._source, LENGTH.size))
        if length > _MANIFEST_BYTES:
            raise ValueError("a manifest of a size that no project has")
        text = zlib.decompress(exactly(self._source, length))
        entries, name = parse_manifest(text), hashlib.sha256(text).hexdigest()
        self._make_room({name, *(sha256 for sha256, _ in objects_of(entries))})
        self._store.put(name, text)
        self._fill(entries)
        assemble(entries, store=self._store, project=self._root.project)
        self._store.note_last(name)
        self._watch.stop()
        self._answers.say(complete=True)
        return 0

    def _state(self) -> str:
        if self._root.project.is_dir():
            return "present"
        return "ended" if Journal(self._root.events).ended() else "lacking"

    def _make_room(self, wanted: set[str]) -> None:
        """Keep what is wanted, and what the project had that was there last: it may be rendered again."""
        last = self._store.last()
        if last is not None:
            wanted.add(last)
            with contextlib.suppress(OSError, ValueError):
                text = Path(self._store.path(last)).read_bytes()
                wanted.update(sha256 for sha256, _ in objects_of(parse_manifest(text)))
        self._store.prune(wanted)

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
