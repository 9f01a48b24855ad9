# SPDX-License-Identifier: GPL-3.0-or-later
"""Are images of the formats without checksums complete: as long as their own headers and tables say?"""

from __future__ import annotations

import re
import struct

from .image_reader import ImageReader, IncompleteImage

_PIECE_BYTES = 1 << 18


def check_jpeg(image: ImageReader) -> None:
    """Walk the segments to the end-of-image marker (ITU T.81, annex B)."""
    image.position = 2
    frame = False
    while True:
        first, marker = image.take(2)
        if first != 0xFF:
            raise IncompleteImage("its data is damaged")
        if marker == 0xFF:
            image.position -= 1  # a fill byte
        elif marker == 0xD9:
            break
        else:
            (length,) = image.next_numbers(">H")
            image.skip(length - 2)
            frame = frame or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC))
            if marker == 0xDA:
                _skip_scan(image)
    if not frame:
        raise IncompleteImage("it has no header")


def _skip_scan(image: ImageReader) -> None:
    """Go on to the next marker that is no restart within compressed pixels."""
    while piece := image.piece(_PIECE_BYTES):
        found = re.search(rb"\xff[^\x00\xd0-\xd7\xff]", piece, re.DOTALL)
        if found:
            image.position -= len(piece) - found.start()
            return
        if piece.endswith(b"\xff") and len(piece) > 1:
            image.position -= 1
    raise IncompleteImage("it is cut short")


def check_tiff(image: ImageReader) -> None:
    """Every strip or tile of the first directory lies in the file (TIFF 6.0; BigTIFF)."""
    order = "<" if image.at(0, 2) == b"II" else ">"
    big = image.numbers(order + "H", 2) == (43,)
    (directory,) = image.numbers(order + ("Q" if big else "I"), 8 if big else 4)
    tags = _tiff_tags(image, directory, order=order, big=big)
    tiled = 324 in tags
    offsets, counts = tags.get(324 if tiled else 273, ()), tags.get(325 if tiled else 279, ())
    (width,), (height,) = tags.get(256, (0,)), tags.get(257, (0,))
    planes = tags.get(277, (1,))[0] if tags.get(284, (1,))[0] == 2 else 1
    if not (width and height and offsets) or len(offsets) != len(counts):
        raise IncompleteImage("its header is damaged")
    if tiled:
        wanted = -(-width // tags[322][0]) * -(-height // tags[323][0])
    else:
        wanted = -(-height // min(tags.get(278, (height,))[0], height))
    if len(offsets) < wanted * planes:
        raise IncompleteImage("pixels are missing")
    for offset, count in zip(offsets, counts):  # noqa: B905  Python 3.8
        if not (offset and count):
            raise IncompleteImage("a part of it was never written")
        image.need(offset, count)


_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_TIFF_TABLES = frozenset((273, 279, 324, 325))
_TIFF_NUMBERS = frozenset((256, 257, 277, 278, 284, 322, 323))


def _tiff_tags(image: ImageReader, directory: int, *, order: str, big: bool) -> dict[int, tuple[int, ...]]:
    """Read the whole numbers of a directory that matter here, tag → values."""
    count_form, entry_form, inline = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
    (count,) = image.numbers(order + count_form, directory)
    start, step = directory + struct.calcsize(order + count_form), 4 + 2 * inline
    image.need(start, count * step)
    tags = {}
    for entry in range(start, start + count * step, step):
        tag, kind, values = image.numbers(order + entry_form, entry)
        if tag in _TIFF_NUMBERS:
            values = min(values, 1)
        elif tag not in _TIFF_TABLES:  # any number of others may claim to be as large as those
            continue
        if kind in _TIFF_TYPES and values:
            form = f"{order}{values}{_TIFF_TYPES[kind]}"
            place = entry + step - inline
            if struct.calcsize(form) > inline:
                (place,) = image.numbers(order + ("Q" if big else "I"), place)
            image.need(place, values)
            tags[tag] = image.numbers(form, place)
    return tags


def check_bmp(image: ImageReader) -> None:
    """As many bytes as the header names, and as the rows of an uncompressed image need."""
    size, _, pixels, _, width, height, _, bits, compression = image.numbers("<IIIIiiHHI", 2)
    image.need(0, size)
    if compression in (0, 3):
        image.need(pixels, (width * bits + 31) // 32 * 4 * abs(height))
    if not (width and height):
        raise IncompleteImage("its header is damaged")


def check_webp(image: ImageReader) -> None:
    """Every chunk of the RIFF container is there, one of pixels among them."""
    (size,) = image.numbers("<I", 4)
    image.need(8, size)
    kinds = set()
    image.position = 12
    while image.position < 8 + size:
        kind, length = image.next_numbers("<4sI")
        kinds.add(kind)
        image.skip(length)
        image.position += length % 2
    if not kinds & {b"VP8 ", b"VP8L", b"ANMF"}:
        raise IncompleteImage("pixels are missing")


def check_jpeg2000(image: ImageReader) -> None:
    """Every tile of the code stream and its end marker are there, within their boxes (ITU T.800, annexes A and I)."""
    if image.at(0, 2) == b"\xff\x4f":
        _check_code_stream(image, 0)
        return
    place = 0
    while True:
        length, kind = image.numbers(">I4s", place)
        header = 8
        if length == 1:
            (length,), header = image.numbers(">Q", place + 8), 16
        length = length or image.size - place
        image.need(place, length)
        if kind == b"jp2c":
            _check_code_stream(image, place + header)
            return
        if length < header:
            raise IncompleteImage("its data is damaged")
        place += length


def _check_code_stream(image: ImageReader, place: int) -> None:
    place += 2
    tiles = 0
    while True:
        marker, length = image.numbers(">HH", place) if image.at(place, 2) != b"\xff\xd9" else (0xFFD9, 0)
        if marker == 0xFFD9:
            break
        if marker < 0xFF30:
            raise IncompleteImage("its data is damaged")
        if marker == 0xFF90:  # the start of a tile's part, which says how long it is
            (part,) = image.numbers(">I", place + 6)
            tiles += 1
            if part == 0:  # to the end
                part = image.size - 2 - place
            if part < 14:
                raise IncompleteImage("its data is damaged")
            image.need(place, part)
            place += part
        else:
            place += 2 + length
    if not tiles:
        raise IncompleteImage("pixels are missing")


def check_dpx(image: ImageReader) -> None:
    """As many bytes as the header names (SMPTE 268M)."""
    order = ">" if image.at(0, 4) == b"SDPX" else "<"
    _check_file_size(image, order + "I", pixels=4, size=16)


def check_cineon(image: ImageReader) -> None:
    """As many bytes as the header names (Kodak Cineon 4.5)."""
    order = ">" if image.at(0, 1) == b"\x80" else "<"
    _check_file_size(image, order + "I", pixels=4, size=20)


def _check_file_size(image: ImageReader, form: str, *, pixels: int, size: int) -> None:
    (begin,), (end,) = image.numbers(form, pixels), image.numbers(form, size)
    if end != 0xFFFFFFFF:  # not filled in
        image.need(0, end)
    image.need(begin, 1)


def check_iris(image: ImageReader) -> None:
    """Every row is in the file, by the table of rows where they are compressed (SGI image file format 1.0)."""
    compressed, depth, dimensions, width, height, channels = image.numbers(">BBHHHH", 2)
    rows = (height if dimensions > 1 else 1) * (channels if dimensions > 2 else 1)
    if not (width and rows and depth in (1, 2)):
        raise IncompleteImage("its header is damaged")
    if not compressed:
        image.need(512, width * rows * depth)
        return
    table = image.numbers(f">{2 * rows}I", 512)
    for offset, length in zip(table[:rows], table[rows:]):  # noqa: B905  Python 3.8
        if not (offset and length):
            raise IncompleteImage("a part of it was never written")
        image.need(offset, length)


def check_targa(image: ImageReader) -> None:
    """All pixels are there. Compressed ones are counted: a footer, the only sign of the end, is not always there."""
    id_length, mapped, kind, _, colors, color_bits, _, _, width, height, bits, _ = image.numbers("<BBBHHBHHHHBB", 0)
    if not (width and height and bits in (8, 15, 16, 24, 32) and kind & 7 in (1, 2, 3)):
        raise IncompleteImage("its header is damaged")
    image.position = 18 + id_length + (colors * ((color_bits + 7) // 8) if mapped else 0)
    each, missing = (bits + 7) // 8, width * height
    if kind & 8 == 0:
        image.need(image.position, missing * each)
        return
    if image.at(image.size - 18, 18) == b"TRUEVISION-XFILE.\0":  # the footer: the file was written to its end
        return
    while missing > 0:
        (packet,) = image.take(1)
        image.skip(each if packet & 0x80 else (packet + 1) * each)
        missing -= (packet & 0x7F) + 1


def check_radiance(image: ImageReader) -> None:
    """All pixels are there, compressed row by row or not ("RADIANCE Reference Manual", picture format)."""
    image.until(b"\n\n", most=1 << 16)
    size = re.fullmatch(rb"[-+]Y (\d{1,9}) [-+]X (\d{1,9})", image.until(b"\n", most=100))
    if size is None:
        raise IncompleteImage("its header is damaged")
    height, width = int(size[1]), int(size[2])
    if not (height and width):  # rows of nothing would be counted for minutes
        raise IncompleteImage("its header is damaged")
    for _ in range(height):
        if not 8 <= width < 1 << 15 or image.at(image.position, 4) != struct.pack(">HH", 0x0202, width):
            image.skip(4 * width)  # not compressed
            continue
        image.position += 4
        for _channel in range(4):
            _skip_runs(image, width)


def _skip_runs(image: ImageReader, missing: int) -> None:
    # At worst a row is a code and a byte for each pixel; so its end is in what is read at once.
    data = image.at(image.position, min(2 * missing, image.size - image.position))
    place = 0
    while missing > 0 and place < len(data):
        code = data[place]
        place += 2 if code > 128 else 1 + code
        missing -= code & 127 if code > 128 else code
        if code == 0:
            break
    if missing or place > len(data):
        raise IncompleteImage("pixels are missing")
    image.position += place
