# SPDX-License-Identifier: GPL-3.0-or-later
"""How bytes travel: objects to the machine in frames, frames from it in answers. Both sides go by this file."""

from __future__ import annotations

import struct

FRAME = struct.Struct(">BIII")
"""Kind, which object of the manifest, which block of it, bytes of payload."""

END = 0
"""Kind: what was to be sent has been sent; the rest of the header is nought."""

RAW = 1
ZLIB = 2

ANSWER = struct.Struct(">BQ")
"""In front of what is fetched: kind, bytes that follow."""

SERVED = 0
REFUSED = 1
"""Kind: what follows is the reason."""

LENGTH = struct.Struct(">Q")
"""In front of a manifest: its bytes, compressed."""

WHOLE_BYTES = 8 << 20
"""An object up to this size is one block: it arrives whole or not at all, and is named when it is genuine."""

BLOCK_BYTES = 1 << 20
"""A larger one travels in blocks of this size (the last one may be shorter), in any order, over any connection."""


def blocks_of(size: int) -> int:
    """Return in how many blocks an object travels."""
    return 1 if size <= WHOLE_BYTES else -(-size // BLOCK_BYTES)


def block_bytes(size: int, number: int) -> int:
    """Return the length of one block of an object."""
    return size if size <= WHOLE_BYTES else min(BLOCK_BYTES, size - number * BLOCK_BYTES)


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Return ascending numbers as runs: first one, and how many."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == sum(found[-1]):
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((number, 1))
    return found
