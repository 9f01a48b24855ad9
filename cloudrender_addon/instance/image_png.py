# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a PNG complete? Every checksum, and as many pixels as its header promises (PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib

from .image_reader import ImageReader, IncompleteImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_HEADER_BYTES = 13
_MOST_PIXELS = 1 << 16  # of a side: Blender renders no more
_PIECE_BYTES = 1 << 18
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced image: first column and row, step between columns and rows."""


def check_png(image: ImageReader) -> None:
    """Raise `IncompleteImage` if anything is missing or was changed."""
    image.position = len(SIGNATURE)
    pixels = None
    while True:
        length, kind = image.next_numbers(">I4s")
        if kind == b"IHDR" and length == _HEADER_BYTES:
            pixels = _Pixels(image.at(image.position, length))
        elif kind == b"IDAT" and pixels is None:
            raise IncompleteImage("it has no header")
        _check_chunk(image, kind, length, pixels if kind == b"IDAT" else None)
        if kind == b"IEND":
            break
    if pixels is None:
        raise IncompleteImage("it has no header")
    pixels.check_all_there()


def _check_chunk(image: ImageReader, kind: bytes, length: int, pixels: _Pixels | None) -> None:
    """Go on behind a chunk's checksum, which must be right; what it holds goes to `pixels`."""
    image.need(image.position, length + 4)
    checksum = zlib.crc32(kind)
    while length:
        piece = image.take(min(length, _PIECE_BYTES))
        length -= len(piece)
        checksum = zlib.crc32(piece, checksum)
        if pixels is not None:
            pixels.add(piece)
    if image.next_numbers(">I") != (checksum,):
        raise IncompleteImage("a checksum in it is wrong")


class _Pixels:
    """Counts the bytes that the image's data inflates to, without keeping them."""

    def __init__(self, header: bytes) -> None:
        width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
        if not (0 < width <= _MOST_PIXELS and 0 < height <= _MOST_PIXELS and color in _CHANNELS):
            raise IncompleteImage("its header is damaged")
        bits = depth * _CHANNELS[color]
        self._missing = _inflated_bytes(width, height, bits=bits, interlaced=bool(interlaced))
        self._inflate = zlib.decompressobj()

    def add(self, data: bytes) -> None:
        while data:
            self._inflated(data)
            data = self._inflate.unconsumed_tail

    def check_all_there(self) -> None:
        while self._inflated(b""):
            pass
        # The end of the stream is where its own checksum of all pixels stands.
        if self._missing or not self._inflate.eof:
            raise IncompleteImage("pixels are missing")

    def _inflated(self, data: bytes) -> int:
        try:
            count = len(self._inflate.decompress(data, _PIECE_BYTES))
        except zlib.error as error:
            raise IncompleteImage("its pixels are damaged") from error
        self._missing -= count
        if self._missing < 0:  # at once: a small file may inflate to a thousand times its size
            raise IncompleteImage("its header is damaged")
        return count


def _inflated_bytes(width: int, height: int, *, bits: int, interlaced: bool) -> int:
    """Return the bytes of all rows, each of which has one byte more in front that names its filter."""
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for first_column, first_row, column_step, row_step in passes:
        columns = -(-(width - first_column) // column_step)
        rows = -(-(height - first_row) // row_step)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total
