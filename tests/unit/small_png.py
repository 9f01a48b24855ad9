# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as small as they get, for tests that only need one."""

from __future__ import annotations

import struct
import zlib


def png(color: int = 0, *, extra: bytes = b"") -> bytes:
    """Return a PNG of one gray pixel; `extra` is kept in it as a comment."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"tEXt", b"extra\0" + extra),
        (b"IDAT", zlib.compress(bytes([0, color % 256]))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, *zip(*chunks, strict=True)))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
