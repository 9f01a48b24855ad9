# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes out on one connection: blocks of files in frames, compressed when the line is slower than that."""

from __future__ import annotations

import io
import os
import time
import zlib
from collections.abc import Callable

from ...instance.transfer import BLOCK_BYTES, END, FRAME, RAW, ZLIB, block_bytes
from ..assets.hashing import changed, reading
from ..assets.manifest import HashedFile

_BUFFER_BYTES = 8 * 32_704
"""A whole number of SSH packets."""

_SAMPLE_BYTES = 16 << 10
_LEVEL = 1
_LEAST_SAVED = 0.1
_IN_VAIN = 4
"""After so many blocks that do not shrink, only every such one is looked at: images are in files by the hundred."""


class Outgoing:
    """Frames in one buffer, which is written out whenever it is full.

    `write` gets pieces that are valid during the call only; after each, `on_sent` gets how many more bytes of content
    have left, and `check` may raise. Files are read into the buffer they leave in.
    """

    def __init__(
        self, write: Callable[[memoryview], None], *, on_sent: Callable[[int], None], check: Callable[[], None]
    ) -> None:
        self._write = write
        self._on_sent = on_sent
        self._check = check
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._filled = 0
        self._content = 0
        self._pace = _Pace()
        self._in_vain = 0
        self._file: HashedFile | None = None
        self._source: io.FileIO | None = None

    def block(self, index: int, file: HashedFile, number: int) -> None:
        """Send a block of an object, of which `file` has the content.

        Raises `ProjectError` when the file is not what was hashed: the stream must be thrown away then.
        """
        length = block_bytes(file.size, number)
        source = self._open(file)
        with reading(file.name):
            if source.tell() != number * BLOCK_BYTES:
                source.seek(number * BLOCK_BYTES)
        if not (self._may_shrink() and self._squeezed(index, file, number, length)):
            self._add(FRAME.pack(RAW, index, number, length))
            left = length
            while left:
                room = self._room()[:left]
                with reading(file.name):
                    read = source.readinto(room)
                if not read:
                    raise changed(file.name)
                self._filled += read
                left -= read
                self._content += read
        with reading(file.name):
            now = os.fstat(source.fileno())
        if (now.st_size, now.st_mtime_ns) != (file.size, file.mtime_ns):
            raise changed(file.name)

    def end(self) -> None:
        """Say that this is all, and write out what is left."""
        self._add(FRAME.pack(END, 0, 0, 0))
        self.flush()

    def flush(self) -> None:
        """Write out what is in the buffer."""
        self._check()
        began = time.monotonic()
        self._write(self._buffer[: self._filled])
        self._pace.note(self._filled, time.monotonic() - began)
        self._filled = 0
        content, self._content = self._content, 0
        self._on_sent(content)

    def close(self) -> None:
        """Let go of the file that was read last."""
        if self._source is not None:
            self._source.close()
        self._file = self._source = None

    def _open(self, file: HashedFile) -> io.FileIO:
        if self._file is not file or self._source is None:
            self.close()
            with reading(file.name):
                self._source = io.FileIO(str(file.source))
            self._file = file
        return self._source

    def _may_shrink(self) -> bool:
        """Tell whether it is worth looking whether the next block shrinks."""
        if not self._pace.slow:
            return False
        if self._in_vain >= _IN_VAIN:
            self._in_vain += 1
            return self._in_vain % _IN_VAIN == 0
        return True

    def _squeezed(self, index: int, file: HashedFile, number: int, length: int) -> bool:
        """Send the block compressed if that is quicker by a sample of it; else leave the source where it was."""
        source = self._open(file)
        data = memoryview(bytearray(length))
        filled = 0
        with reading(file.name):
            while filled < length and (read := source.readinto(data[filled:])):
                filled += read
        if filled < length:
            raise changed(file.name)
        packed = self._pack(data)
        if packed is None:
            self._in_vain += self._in_vain < _IN_VAIN
            with reading(file.name):
                source.seek(number * BLOCK_BYTES)
            return False
        self._in_vain = 0
        self._add(FRAME.pack(ZLIB, index, number, len(packed)))
        self._add(packed)
        self._content += length
        return True

    def _pack(self, data: memoryview) -> bytes | None:
        middle = max(0, len(data) // 2 - _SAMPLE_BYTES // 2)
        sample = data[middle : middle + _SAMPLE_BYTES]
        if not sample:
            return None
        began = time.monotonic()
        packed = zlib.compress(sample, _LEVEL)
        seconds = max(time.monotonic() - began, 1e-6)
        saved = 1 - len(packed) / len(sample)
        # Of a block, the line is spared `saved`; worth it if that takes longer to send than the block to compress.
        if saved < _LEAST_SAVED or self._pace.rate > saved * len(sample) / seconds:
            return None
        if len(sample) < len(data):
            packed = zlib.compress(data, _LEVEL)
        return packed if len(packed) < len(data) else None

    def _add(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            room = self._room()
            part = view[: len(room)]
            room[: len(part)] = part
            self._filled += len(part)
            view = view[len(part) :]

    def _room(self) -> memoryview:
        """Return where more can be put, at least a byte."""
        if self._filled == _BUFFER_BYTES:
            self.flush()
        return self._buffer[self._filled :]


class _Pace:
    """How fast the line takes what is written. What the buffers on the way swallow at first says nothing yet."""

    _ENOUGH = 6 << 20
    _SECONDS = 1.0
    _FAST = 40e6
    """Bytes a second at which it is not worth looking whether a block shrinks."""

    def __init__(self) -> None:
        self._bytes = 0.0
        self._seconds = 0.0
        self._known = False

    def note(self, size: int, seconds: float) -> None:
        self._bytes += size
        self._seconds += seconds
        if self._bytes > self._ENOUGH or self._seconds > self._SECONDS:
            self._known = True
        if self._bytes > 4 * self._ENOUGH:  # what was long ago counts less and less
            self._bytes /= 2
            self._seconds /= 2

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self._bytes / max(self._seconds, 1e-6)

    @property
    def slow(self) -> bool:
        """Whether compression is worth a thought."""
        return self._known and self.rate < self._FAST
