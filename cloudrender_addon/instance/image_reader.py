# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an image file piece by piece, and saying what is wrong with it."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

_MOST_BYTES = 16 << 20
"""Read at once: no header and no table is larger, and a file made up to look so must not fill the memory."""


class IncompleteImage(Exception):
    """The file is no complete image; the message says why in a few words: "it is cut short"."""


class ImageReader:
    """Reads an open file where it is told to. Everything behind the file's end is `IncompleteImage`.

    Read, not mapped: a network share that goes away is an `OSError` here, and would end the process there.
    """

    def __init__(self, file: BinaryIO, *, size: int) -> None:
        self._file = file
        self.size = size
        """Of the file, in bytes."""
        self.position = 0
        """Where `take` goes on."""

    def at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset` on."""
        self.need(offset, count)
        if count > _MOST_BYTES:
            raise IncompleteImage("its header is damaged")
        self._file.seek(offset)
        return self._read(count)

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes and go on behind them."""
        data = self.at(self.position, count)
        self.position += count
        return data

    def skip(self, count: int) -> None:
        """Go on behind the next `count` bytes, which are there."""
        self.need(self.position, count)
        self.position += count

    def piece(self, most: int) -> bytes:
        """Return the next bytes, `most` at most; none at the end of the file."""
        return self.take(min(most, self.size - self.position))

    def until(self, end: bytes, *, most: int) -> bytes:
        """Return what comes before `end` within `most` bytes, and go on behind it."""
        data = self.at(self.position, min(most, self.size - self.position))
        before, found, _ = data.partition(end)
        if not found:
            raise IncompleteImage("its header has no end")
        self.position += len(before) + len(end)
        return before

    def numbers(self, form: str, offset: int) -> tuple[Any, ...]:
        """Return the numbers at `offset`, laid out as `struct` writes it."""
        return struct.unpack(form, self.at(offset, struct.calcsize(form)))

    def next_numbers(self, form: str) -> tuple[Any, ...]:
        """Return the next numbers and go on behind them."""
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def need(self, offset: int, count: int) -> None:
        """Make sure that the file holds `count` bytes from `offset` on."""
        if offset < 0 or count < 0 or offset + count > self.size:
            raise IncompleteImage("it is cut short")

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:  # somebody is shortening it meanwhile
            raise IncompleteImage("it is cut short")
        return data
