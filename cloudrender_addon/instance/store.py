# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents that have arrived on the machine, each under its SHA-256; they outlive the project they came with.

Not for ever: where one job comes after another, what neither the last nor the next one has is deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from .transfer import BLOCK_BYTES, WHOLE_BYTES, block_bytes, blocks_of

_NUMBER = struct.Struct(">I")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_MTIME = 946_684_800
"""2000-01-01, of every object: who compares ages (an .osl with its .oso) finds that neither is out of date."""


class Store:
    """`folder`/ab/abcd… are whole and genuine; `folder`/parts has what is on its way.

    `folder`/last names the manifest of the project that was there last.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._parts = os.path.join(self._folder, "parts")
        self._last = os.path.join(self._folder, "last")
        os.makedirs(self._parts, exist_ok=True)
        self._made: set[str] = set()

    def path(self, sha256: str) -> str:
        """Return where the object is, or would be."""
        return f"{self._folder}/{sha256[:2]}/{sha256}"

    def has(self, sha256: str, size: int) -> bool:
        """Tell whether the object is there. One whose writer was killed is not as long as it should be."""
        try:
            return os.stat(self.path(sha256)).st_size == size
        except OSError:
            return False

    def put(self, sha256: str, data: bytes | bytearray | memoryview) -> bool:
        """Keep an object if it is what it is called, else return False. Raises `OSError`."""
        if hashlib.sha256(data).hexdigest() != sha256:
            return False
        path = self._place(sha256)
        # One write: what a killed writer leaves is shorter, which `has` knows.
        try:
            descriptor = os.open(path, _NEW, 0o400)
        except FileExistsError:
            os.unlink(path)
            descriptor = os.open(path, _NEW, 0o400)
        try:
            _write(descriptor, data, 0)
            os.utime(descriptor, (_MTIME, _MTIME))
        finally:
            os.close(descriptor)
        return True

    def part(self, sha256: str, size: int) -> Part:
        """Return an object of more than `WHOLE_BYTES` that arrives block by block."""
        return Part(f"{self._parts}/{sha256}", sha256, size)

    def settle(self, part: Part) -> bool:
        """Keep a part that is complete if it is genuine; throw it away and return False if not. Raises `OSError`."""
        genuine = part.genuine()
        if genuine:
            os.utime(part.path, (_MTIME, _MTIME))
            os.chmod(part.path, 0o400)
            os.replace(part.path, self._place(part.sha256))
        part.forget()
        return genuine

    def last(self) -> str | None:
        """Return the SHA-256 of the manifest of the project that was there last, None if there was none."""
        with contextlib.suppress(OSError), open(self._last, encoding="ascii", errors="replace") as last:
            return last.read()
        return None

    def note_last(self, manifest: str) -> None:
        """Note that the project of this manifest is there. On a full disk none is noted, and less is kept."""
        new = f"{self._last}.{os.getpid()}"
        try:
            with open(new, "w", encoding="ascii") as last:
                last.write(manifest)
            os.replace(new, self._last)
        except OSError:
            for path in (new, self._last):
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def prune(self, keep: Iterable[str]) -> None:
        """Delete what is whole and what is on its way, but for these. What resists stays: it is only in the way."""
        kept = set(keep)
        with os.scandir(self._folder) as folders:
            for folder in [entry.path for entry in folders if entry.is_dir(follow_symlinks=False)]:
                for name in os.listdir(folder):
                    if name.split(".")[0] not in kept:
                        with contextlib.suppress(OSError):
                            os.unlink(f"{folder}/{name}")

    def _place(self, sha256: str) -> str:
        if sha256[:2] not in self._made:
            os.makedirs(f"{self._folder}/{sha256[:2]}", exist_ok=True)
            self._made.add(sha256[:2])
        return self.path(sha256)


class Part:
    """A large object of which blocks are here. Beside it lies a list of them, which several processes add to."""

    def __init__(self, path: str, sha256: str, size: int) -> None:
        self.path = path
        self.sha256 = sha256
        self.size = size
        self.blocks: set[int] = set()
        self._listed = 0
        self._digest = hashlib.sha256()
        self._hashed = 0

    def look(self) -> None:
        """Learn of the blocks that have been listed, by whomever."""
        try:
            with open(f"{self.path}.have", "rb") as have:
                have.seek(self._listed)
                new = have.read()
        except FileNotFoundError:
            return
        new = new[: len(new) // _NUMBER.size * _NUMBER.size]
        self._listed += len(new)
        self.blocks.update(number for (number,) in _NUMBER.iter_unpack(new))

    def missing(self) -> list[int]:
        """Return the blocks that are not here, in order."""
        return [number for number in range(blocks_of(self.size)) if number not in self.blocks]

    def add(self, number: int, data: bytes | bytearray | memoryview) -> None:
        """Write a block and list it. Raises `OSError`."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            _write(descriptor, data, number * BLOCK_BYTES)
        finally:
            os.close(descriptor)
        have = os.open(f"{self.path}.have", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(have, _NUMBER.pack(number))
        finally:
            os.close(have)
        self.blocks.add(number)
        if number == self._hashed:  # while it is at hand
            self._digest.update(data)
            self._hashed += 1

    def hash_on(self) -> None:
        """Hash what follows without a gap on what has been hashed, so that little is left to do at the end."""
        self.look()
        if self._hashed not in self.blocks:
            return
        buffer = memoryview(bytearray(BLOCK_BYTES))
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self._hashed * BLOCK_BYTES)
            while self._hashed in self.blocks:
                length = block_bytes(self.size, self._hashed)
                if file.readinto(buffer[:length]) != length:
                    break
                self._digest.update(buffer[:length])
                self._hashed += 1

    def genuine(self) -> bool:
        """Tell whether all of it is here and is what it is called."""
        self.hash_on()
        return self._hashed == blocks_of(self.size) and self._digest.hexdigest() == self.sha256

    def forget(self) -> None:
        """Delete what there is of it."""
        for path in (f"{self.path}.have", self.path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def is_whole(size: int) -> bool:
    """Tell whether an object of this size arrives in one piece."""
    return size <= WHOLE_BYTES


def _write(descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
