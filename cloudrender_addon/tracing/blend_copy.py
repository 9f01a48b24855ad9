# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a .blend that differs in nothing but its paths.

Blender could save one, but opening a file for that evaluates its scene (see `opening.py`), and setting a path makes
Blender look for the file there, where it is not yet: a movie clip's sequence becomes a movie, a stereo image is flat.
"""

from __future__ import annotations

import contextlib
import gzip
import mmap
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .blend_format import BlendFormat, Block, NotABlend
from .path_fields import BAKE, BAKE_CONTENT, LIBRARY, POINTERS, PROPERTY, PROPERTY_IS_TEXT, TEXTS

_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_NO_DATABLOCKS = {b"LI", b"ID"}  # libraries, which belong to none, and what is only named: linked datablocks
_GZIP = b"\x1f\x8b"

_MOST_TIMES = 200
_SMALL_BYTES, _MOST_BYTES = 1 << 30, 64 << 30
"""How much larger a compressed .blend may be when it is unpacked: ten times is much for a scene, but a small one may be
nearly all noughts."""

_Texts = dict[bytes, bytes]  # stored → new


class BlendCopy:
    """The content of a .blend, uncompressed. Use as a context manager."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._format = BlendFormat(content)
        self._texts = self._by_struct(TEXTS)
        self._pointers = self._by_struct(POINTERS)
        self._property = self._format.struct(PROPERTY)

    def library_paths(self) -> list[str]:
        """Return what is stored of the libraries that the file links. Raises `NotABlend`."""
        return list(self._libraries().values())

    def _libraries(self) -> dict[int, str]:
        """Return the libraries' paths by their addresses."""
        library = self._format.struct(LIBRARY[0])
        if library is None:
            return {}
        number, _, fields = library
        field = fields[LIBRARY[1]]
        found = {}
        for block in self._format.blocks():
            if block.struct == number and block.code == b"LI":
                start = block.start + field.offset
                found[block.address] = _text(self._content[start : start + field.size])
        return found

    def packed_bakes(self) -> set[tuple[str, int]]:
        """Return the bakes of geometry nodes whose content is in the .blend: object and number. Raises `NotABlend`."""
        bake = self._format.struct(BAKE)
        if bake is None or BAKE_CONTENT not in bake[2]:  # before 4.3 all are on the disk
            return set()
        number, size, fields = bake
        found = set()
        name = ""
        for block in self._format.blocks():
            if block.code == b"OB":
                name = self._name_of(block)
            if block.struct == number:
                for begin in range(block.start, block.start + block.size - size + 1, size):
                    data = self._content[begin : begin + size]
                    if self._format.pointer(data, fields[BAKE_CONTENT].offset):
                        found.add((name, int.from_bytes(data[fields["id"].offset :][:4], "little", signed=True)))
        return found

    def _name_of(self, block: Block) -> str:
        """Return the name of a datablock: all begin with an ID, and its name with two letters for the kind."""
        identity = self._format.struct("ID")
        if identity is None:
            return ""
        field = identity[2]["name"]
        start = block.start + field.offset
        return _text(self._content[start + 2 : start + field.size])

    def write(self, target: IO[bytes], changes: dict[str, str], *, packed: dict[str, dict[str, str]]) -> None:
        """Write it with other paths: stored → new.

        `packed` are the changes in what is packed of libraries, by the libraries' stored paths. Raises `NotABlend`,
        `OSError`, and `ValueError` for a path that is too long.
        """
        own = _encoded(changes)
        libraries = self._libraries() if packed else {}
        others = {address: _encoded(packed[path]) for address, path in libraries.items() if path in packed}
        done = 0
        for place, end, replacement in sorted(self._patches(own, others)):
            self._pass_on(target, done, place)
            target.write(replacement)
            done = end
        self._pass_on(target, done, len(self._content))

    # -- finding --------------------------------------------------------------------------------------------

    def _patches(self, own: _Texts, others: dict[int, _Texts]) -> Iterator[tuple[int, int, bytes]]:
        """Yield what is to be replaced: from where, to where, by what. `others` are by the library's address."""
        inside: list[Block] = []
        wanted = own
        for block in self._format.blocks():
            if block.code != b"DATA":
                yield from self._patches_of(inside, wanted)
                inside = []
                wanted = others.get(self._library_of(block), own) if others else own
            inside.append(block)
        yield from self._patches_of(inside, wanted)

    def _library_of(self, block: Block) -> int:
        """Return the address of the library that a datablock belongs to, 0 if to none."""
        if block.code in _NO_DATABLOCKS or len(block.code) > 2:
            return 0
        identity = self._format.struct("ID")
        if identity is None:
            return 0
        start = block.start + identity[2]["lib"].offset
        return self._format.pointer(self._content[start : start + 8], 0)

    def _patches_of(self, blocks: list[Block], wanted: _Texts) -> Iterator[tuple[int, int, bytes]]:
        """Yield those of one datablock: addresses mean something only within it."""
        pointed: dict[int, list[tuple[int, int]]] = {}  # address of a text → where its length is noted
        for block in blocks:
            for start, size in self._members(block, self._texts):
                new = wanted.get(self._content[start : start + size].split(b"\0")[0])
                if new is not None:
                    if len(new) >= size:
                        raise ValueError(f"{_text(new)} is too long for a path in a .blend")
                    yield start, start + size, new.ljust(size, b"\0")
            for start, size in self._members(block, self._pointers):
                pointed.setdefault(self._format.pointer(self._content[start : start + size], 0), [])
            self._add_properties(block, pointed)
        pointed.pop(0, None)
        for block in blocks if pointed else ():
            if block.address in pointed:
                new = wanted.get(self._content[block.start : block.start + block.size].split(b"\0")[0])
                if new is not None:
                    yield from self._resized(block, new + b"\0", pointed[block.address])

    def _members(self, block: Block, table: dict[int, tuple[int, list[tuple[int, int]]]]) -> Iterator[tuple[int, int]]:
        """Yield place and size of the members in a block that are in the table."""
        if block.struct in table:
            struct_size, members = table[block.struct]
            for begin in range(block.start, block.start + block.size - struct_size + 1, struct_size):
                for offset, size in members:
                    yield begin + offset, size

    def _add_properties(self, block: Block, pointed: dict[int, list[tuple[int, int]]]) -> None:
        if self._property is None or block.struct != self._property[0] or block.size < self._property[1]:
            return
        fields = self._property[2]
        data = self._content[block.start : block.start + block.size]
        if data[fields["type"].offset] == PROPERTY_IS_TEXT:
            lengths = [(block.start + fields[name].offset, 4) for name in ("len", "totallen")]
            pointed.setdefault(self._format.pointer(data, fields["data"].offset), []).extend(lengths)

    def _resized(self, block: Block, text: bytes, lengths: list[tuple[int, int]]) -> Iterator[tuple[int, int, bytes]]:
        size = (len(text) + 3) & ~3
        yield block.header, block.start + block.size, self._format.header_for(block, size) + text.ljust(size, b"\0")
        for place, width in lengths:
            yield place, place + width, len(text).to_bytes(width, "little")

    def _by_struct(self, table: tuple[tuple[str, str], ...]) -> dict[int, tuple[int, list[tuple[int, int]]]]:
        found: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        for name, member in table:
            known = self._format.struct(name)
            if known is not None and member in known[2]:
                number, size, fields = known
                found.setdefault(number, (size, []))[1].append((fields[member].offset, fields[member].size))
        return found

    def _pass_on(self, target: IO[bytes], start: int, end: int) -> None:
        with memoryview(self._content) as view, view[start:end] as part:
            target.write(part)


@contextlib.contextmanager
def opened(path: Path, *, scratch: Path) -> Iterator[BlendCopy]:
    """Read a .blend; a compressed one is unpacked in the folder `scratch`. Raises `NotABlend`, `OSError`."""
    with contextlib.ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(path.open("rb"))
        start = file.read(4)
        file.seek(0)
        if start.startswith((_ZSTANDARD, _GZIP)):
            unpacked: Any = stack.enter_context(tempfile.TemporaryFile(dir=scratch))
            _unpack(file, unpacked, is_gzip=start.startswith(_GZIP))
            unpacked.flush()
            file = unpacked
        try:
            content = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError as error:
            raise NotABlend("it is empty") from error
        yield BlendCopy(content)


def _unpack(file: IO[bytes], target: IO[bytes], *, is_gzip: bool) -> None:
    """Unpack a file. Raises `NotABlend` where it grows as no .blend does: it may come from anybody."""
    most = _most_unpacked(os.fstat(file.fileno()).st_size)
    if is_gzip:
        try:
            with gzip.open(file) as packed:
                _copy(packed, target, most=most)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise NotABlend("it cannot be unpacked") from error
        return
    import zstandard  # noqa: PLC0415 - Blender has it, from 3.0 on

    try:
        with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
            _copy(reader, target, most=most)
    except zstandard.ZstdError as error:
        raise NotABlend("it cannot be unpacked") from error


def _most_unpacked(packed: int) -> int:
    """Return how many bytes so many packed ones may become."""
    return min(max(packed * _MOST_TIMES, _SMALL_BYTES), _MOST_BYTES)


def _copy(source: Any, target: IO[bytes], *, most: int) -> None:
    done = 0
    while piece := source.read(1 << 20):
        done += len(piece)
        if done > most:
            raise NotABlend(f"unpacked it is larger than any .blend of its size, more than {most:,} bytes")
        target.write(piece)


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")


def _encoded(changes: dict[str, str]) -> _Texts:
    return {_bytes(stored): _bytes(new) for stored, new in changes.items()}
