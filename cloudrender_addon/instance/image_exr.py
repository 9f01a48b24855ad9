# SPDX-License-Identifier: GPL-3.0-or-later
"""Is an OpenEXR file complete? Every chunk that its tables name is in it ("OpenEXR File Layout").

OpenEXR writes these tables last: in a file that was not finished they hold zeros.
"""

from __future__ import annotations

import struct

from .image_reader import ImageReader, IncompleteImage

MAGIC = b"\x76\x2f\x31\x01"

_LONGEST_NAME = 256
_MOST_PARTS = 1 << 16
_WANTED = frozenset((b"type", b"chunkCount", b"dataWindow", b"compression", b"tiles"))
_TILED, _DEEP, _MULTIPART = 0x200, 0x800, 0x1000  # flags in the word behind the magic number
_LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Rows in a chunk, by compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB."""


def check_exr(image: ImageReader) -> None:
    """Raise `IncompleteImage` if a header, a table or a chunk is not whole."""
    (flags,) = image.numbers("<I", len(MAGIC))
    multipart = bool(flags & _MULTIPART)
    image.position = len(MAGIC) + 4
    parts = [_header(image)]
    while multipart and image.at(image.position, 1) != b"\0":
        parts.append(_header(image))
        if len(parts) > _MOST_PARTS:
            raise IncompleteImage("its header is damaged")
    image.position += multipart
    try:
        kinds = [_kind(part, flags) for part in parts]
        counts = list(map(_chunk_count, parts, kinds))
    except (KeyError, struct.error) as error:
        raise IncompleteImage("its header is damaged") from error
    pixels = image.position + 8 * sum(counts)
    image.need(0, pixels)
    for kind, count in zip(kinds, counts):  # noqa: B905  Python 3.8
        for offset in image.next_numbers(f"<{count}Q"):
            if offset < pixels:
                raise IncompleteImage("a part of it was never written")
            _check_chunk(image, offset + 4 * multipart, kind)


def _header(image: ImageReader) -> dict[str, bytes]:
    """Read one part's attributes, name → value, those that matter here."""
    attributes: dict[str, bytes] = {}
    while name := image.until(b"\0", most=_LONGEST_NAME):
        image.until(b"\0", most=_LONGEST_NAME)  # its type
        (length,) = image.next_numbers("<i")
        if name in _WANTED:
            attributes[name.decode("ascii")] = image.take(length)
        else:
            image.skip(length)
    return attributes


def _kind(part: dict[str, bytes], flags: int) -> str:
    """Return "scanline", "tiled", "deepscanline" or "deeptile"; a file of one part need not name its kind."""
    named = part.get("type", b"").decode("latin-1")
    if flags & _DEEP or named.startswith("deep"):
        return "deeptile" if flags & _TILED or named == "deeptile" else "deepscanline"
    return "tiled" if flags & _TILED or named == "tiledimage" else "scanline"


def _chunk_count(part: dict[str, bytes], kind: str) -> int:
    """Return how many chunks a part has. Raises `KeyError`, `struct.error` for a damaged header."""
    if "chunkCount" in part:
        (count,) = struct.unpack("<i", part["chunkCount"])
    else:
        left, top, right, bottom = struct.unpack("<4i", part["dataWindow"])
        width, height = right - left + 1, bottom - top + 1
        if kind == "tiled":
            count = _tiles(part["tiles"], width, height)
        else:
            count = -(-height // _LINES[part["compression"][0]])
    if count <= 0:
        raise struct.error
    return int(count)


def _tiles(description: bytes, width: int, height: int) -> int:
    """Return how many tiles there are on all levels: one, each half as large, or both sides halved independently."""
    tile_width, tile_height, mode = struct.unpack("<IIB", description)
    if not (tile_width and tile_height and width > 0 and height > 0):
        raise struct.error
    up = mode >> 4  # of a size that does not halve: rounded up, or down

    def level(size: int, number: int) -> int:
        return max(-(-size >> number) if up else size >> number, 1)

    def levels(size: int) -> range:
        return range((size - 1).bit_length() + 1 if up else size.bit_length())

    def across(number: int) -> int:
        return -(-level(width, number) // int(tile_width))

    def down(number: int) -> int:
        return -(-level(height, number) // int(tile_height))

    if mode & 15 == 0:
        return across(0) * down(0)
    if mode & 15 == 1:
        return sum(across(number) * down(number) for number in levels(max(width, height)))
    return sum(map(across, levels(width))) * sum(map(down, levels(height)))


def _check_chunk(image: ImageReader, offset: int, kind: str) -> None:
    offset += {"scanline": 4, "deepscanline": 4}.get(kind, 16)  # its place: a row, or a tile and its level
    if kind.startswith("deep"):
        table, samples, _ = image.numbers("<QQQ", offset)
        image.need(offset + 24, table + samples)
    else:
        (size,) = image.numbers("<i", offset)
        if size <= 0:
            raise IncompleteImage("a part of it was never written")
        image.need(offset + 4, size)
