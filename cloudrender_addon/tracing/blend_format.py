# SPDX-License-Identifier: GPL-3.0-or-later
"""The format of .blend files: blocks, and the description of their structs (SDNA) that each file has at its end.

Source: Blender's doc/blender_file_format and blenloader; the header of 5.0 is that of BLO_core_blend_header.hh.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

_HEADER = re.compile(rb"BLENDER(?:([-_])v\d{3}|17-01v\d{4})")
_ARRAY = re.compile(r"\[(\d+)\]")


class NotABlend(Exception):
    """The content is none of a .blend, or of one that nobody makes any more."""


class Content(Protocol):
    """The bytes of an uncompressed .blend: a `bytes` or a `mmap`."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...
    def find(self, what: bytes, start: int, /) -> int: ...
    def rfind(self, what: bytes, /) -> int: ...


@dataclass(frozen=True)
class Block:
    """One block: where its header and its data begin, the size of the data in bytes, and what it holds.

    `code` is b"DATA" for what belongs to the datablock before it, `address` where it was in memory, `count` the number
    of structs.
    """

    code: bytes
    header: int
    start: int
    size: int
    address: int
    struct: int
    count: int


@dataclass(frozen=True)
class Field:
    """A member of a struct: its place in it, its size in bytes, and whether it is a pointer."""

    offset: int
    size: int
    is_pointer: bool


class BlendFormat:
    """How the blocks and structs of one .blend lie. Raises `NotABlend` for what has none."""

    def __init__(self, content: Content) -> None:
        self._content = content
        header = _HEADER.match(content[:17])
        if not header:
            raise NotABlend("there is no header")
        self._first = len(header[0])
        self._is_large = header[1] is None
        self._pointer = 4 if header[1] == b"_" else 8
        self._head = struct.Struct("<4siQqq" if self._is_large else "<4siQii" if self._pointer == 8 else "<4siIii")
        self._structs: dict[str, tuple[int, int, dict[str, Field]]] = {}
        self._read_description()

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks but the last, which says that the file ends."""
        place, unpack, head_size = self._first, self._head.unpack_from, self._head.size
        content = self._content
        while place + head_size <= len(content):
            if self._is_large:
                code, number, address, size, count = unpack(content[place : place + head_size])
            else:
                code, size, address, number, count = unpack(content[place : place + head_size])
            if code == b"ENDB":
                return
            start = place + head_size
            if size < 0 or start + size > len(content):
                break
            yield Block(code.rstrip(b"\0"), place, start, size, address, number, count)
            place = start + size
        raise NotABlend("it ends too early")

    def header_for(self, block: Block, size: int) -> bytes:
        """Return the header of a block whose data is `size` bytes instead."""
        parts = (block.code.ljust(4, b"\0"),)
        if self._is_large:
            return self._head.pack(*parts, block.struct, block.address, size, block.count)
        return self._head.pack(*parts, size, block.address, block.struct, block.count)

    def struct(self, name: str) -> tuple[int, int, dict[str, Field]] | None:
        """Return number, size and fields of a struct, or None if this file's Blender has none of that name."""
        return self._structs.get(name)

    def pointer(self, data: bytes, offset: int) -> int:
        return int.from_bytes(data[offset : offset + self._pointer], "little")

    # -- the description ------------------------------------------------------------------------------------

    def _read_description(self) -> None:
        begin = self._content.find(b"SDNANAME", max(self._content.rfind(b"DNA1"), 0))
        if begin < 0:
            raise NotABlend("the description of its structs is missing")
        reader = _Reader(self._content[begin : len(self._content)])
        try:
            reader.expect(b"SDNANAME")
            names = reader.texts()
            reader.expect(b"TYPE")
            types = reader.texts()
            reader.expect(b"TLEN")
            sizes = [reader.short() for _ in types]
            reader.expect(b"STRC")
            for number in range(reader.integer()):
                kind, count = reader.short(), reader.short()
                members = [(reader.short(), reader.short()) for _ in range(count)]
                fields = self._fields([(sizes[member], names[name]) for member, name in members])
                self._structs[types[kind]] = (number, sizes[kind], fields)
        except (struct.error, IndexError, ValueError) as error:
            raise NotABlend("the description of its structs is damaged") from error

    def _fields(self, members: list[tuple[int, str]]) -> dict[str, Field]:
        fields = {}
        offset = 0
        for size, name in members:
            is_pointer = name.startswith(("*", "(*"))
            length = self._pointer if is_pointer else size
            for number in _ARRAY.findall(name):
                length *= int(number)
            fields[name.lstrip("*").partition("[")[0]] = Field(offset, length, is_pointer)
            offset += length
        return fields


class _Reader:
    """Reads the description: each part begins at a multiple of four."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def expect(self, mark: bytes) -> None:
        self._place = (self._place + 3) & ~3
        if self._data[self._place : self._place + len(mark)] != mark:
            raise ValueError(mark)
        self._place += len(mark)

    def integer(self) -> int:
        return int(self._unpack("<i", 4))

    def short(self) -> int:
        return int(self._unpack("<H", 2))

    def texts(self) -> list[str]:
        found = []
        for _ in range(self.integer()):
            end = self._data.index(b"\0", self._place)
            found.append(self._data[self._place : end].decode("ascii"))
            self._place = end + 1
        return found

    def _unpack(self, form: str, size: int) -> int:
        (value,) = struct.unpack_from(form, self._data, self._place)
        self._place += size
        return int(value)
