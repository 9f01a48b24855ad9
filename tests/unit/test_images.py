# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are complete images. What real Blenders write is looked at in tests/blender/test_images.py."""

from __future__ import annotations

import io
import struct
import tempfile
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cloudrender_addon.instance.image_reader import IncompleteImage
from cloudrender_addon.instance.images import check_image
from tests.unit.small_png import png

FORMATS = {
    "PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "BMP": ".bmp", "WEBP": ".webp", "TGA": ".tga", "JPEG2000": ".jp2",
    "SGI": ".rgb",
}  # fmt: skip


def complete(content: bytes, name: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            check_image(path)
        except IncompleteImage:
            return False
        return True


def encoded(mode: str, size: tuple[int, int], pixels: bytes, kind: str, **options: object) -> bytes:
    image = Image.frombytes(mode, size, pixels)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


@st.composite
def pngs(draw: st.DrawFn) -> bytes:
    mode = draw(st.sampled_from(["L", "RGB", "RGBA", "I;16", "1", "P"]))
    width, height = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    bits = {"L": 8, "RGB": 24, "RGBA": 32, "I;16": 16, "1": 1, "P": 8}[mode]
    length = (width * bits + 7) // 8 * height
    return encoded(mode, (width, height), draw(st.binary(min_size=length, max_size=length)), "PNG")


@given(pngs())
def test_every_png_is_complete(content: bytes) -> None:
    assert complete(content, "0001.png")
    assert complete(content + b"what follows its end", "0001.png")


@given(pngs(), st.data())
def test_no_png_is_that_was_cut_short_or_changed_anywhere(content: bytes, data: st.DataObject) -> None:
    assert not complete(content[: data.draw(st.integers(0, len(content) - 1))], "0001.png")
    place, change = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(1, 255))
    changed = bytearray(content)
    changed[place] ^= change
    assert not complete(bytes(changed), "0001.png")


def build_png(header: bytes, pixels: bytes) -> bytes:
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(pixels, 1)), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("change", [-1, 1])
def test_a_png_of_fewer_or_more_pixels_than_it_promises_is_not(change: int) -> None:
    header = struct.pack(">IIBBBBB", 5, 7, 16, 2, 0, 0, 0)
    rows = (1 + 5 * 6) * 7
    assert complete(build_png(header, bytes(rows)), "a.png")
    assert not complete(build_png(header, bytes(rows + change)), "a.png")


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (9, 8), (33, 17)])
def test_an_interlaced_png_is_as_long_as_pillow_reads_it(size: tuple[int, int]) -> None:
    width, height = size
    starts = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b"".join(
        b"\0" + bytes(len(range(x, width, dx))) for x, y, dx, dy in starts if x < width for _ in range(y, height, dy)
    )
    content = build_png(struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1), rows)
    assert Image.open(io.BytesIO(content)).convert("L").size == size
    assert complete(content, "a.png")


def test_the_smallest_png_is_one() -> None:
    assert complete(png(7, extra=b"x"), "a.png") and Image.open(io.BytesIO(png(7))).getpixel((0, 0)) == 7


NOISE = bytes((n * n * 37 + n * 11) % 251 for n in range(40 * 30 * 3))


@pytest.mark.parametrize("kind", FORMATS)
def test_what_another_program_writes_is_complete_and_half_of_it_is_not(kind: str) -> None:
    content = encoded("RGB", (40, 30), NOISE, kind)
    name = "a" + FORMATS[kind]
    assert complete(content, name)
    for share in (0.0, 0.01, 0.2, 0.5, 0.8):
        assert not complete(content[: int(len(content) * share)], name), share


@pytest.mark.parametrize(
    "options", [{"compression": "tiff_deflate"}, {"compression": "tiff_lzw"}, {"compression": None}]
)
def test_tiffs(options: dict[str, object]) -> None:
    content = encoded("RGB", (40, 30), NOISE, "TIFF", **options)
    assert complete(content, "a.tif") and not complete(content[:-20], "a.tif")


@pytest.mark.parametrize("extension", sorted({*FORMATS.values(), ".exr", ".hdr", ".dpx", ".cin"}))
def test_what_does_not_begin_like_its_format_is_not(extension: str) -> None:
    assert not complete(b"Segmentation fault" * 9, f"0001{extension}")
    assert not complete(bytes(5000), f"0001{extension}")


def test_the_content_counts_and_not_the_name() -> None:
    assert complete(encoded("RGB", (40, 30), NOISE, "JPEG"), "0001.png")


def test_of_what_is_not_known_anything_is_enough_but_nothing() -> None:
    assert complete(b"?", "cache.abc") and not complete(b"", "cache.abc")


# -- OpenEXR: there is no other program to write it --------------------------------------------------------------


def attribute(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value


def exr(
    chunks: int, *, flags: int = 0, tiles: bytes = b"", size: tuple[int, int] = (32, 40), broken: int = -1
) -> bytes:
    """Return an EXR with so many chunks of 8 bytes, one of which is not in the table."""
    header = attribute("compression", "compression", b"\3")  # ZIP: 16 rows a chunk
    header += attribute("dataWindow", "box2i", struct.pack("<4i", 0, 0, 31, 39))
    header += attribute("tiles", "tiledesc", tiles) if tiles else b""
    content = b"\x76\x2f\x31\x01" + struct.pack("<I", 2 | flags) + header + b"\0"
    place = (b"\0" * 16 if tiles else b"\0" * 4) + struct.pack("<i", 8) + b"\7" * 8
    first = len(content) + 8 * chunks
    table = [0 if n == broken else first + n * len(place) for n in range(chunks)]
    return content + struct.pack(f"<{chunks}Q", *table) + place * chunks


@pytest.mark.parametrize(
    ("chunks", "options"),
    [
        (3, {}),
        (6, {"flags": 0x200, "tiles": struct.pack("<IIB", 16, 16, 0)}),
        # 32×40, 16×20, 8×10, 4×5, 2×2, 1×1
        (6 + 2 + 1 + 1 + 1 + 1, {"flags": 0x200, "tiles": struct.pack("<IIB", 16, 16, 1)}),
        # rounded up there is one level more: 32×40, 16×20, 8×10, 4×5, 2×3, 1×2, 1×1
        (6 + 2 + 1 + 1 + 1 + 1 + 1, {"flags": 0x200, "tiles": struct.pack("<IIB", 16, 16, 0x11)}),
        # each width with each height: (2 + 1 × 5) tiles across on 6 levels, (3 + 2 + 1 × 4) down on 6
        ((2 + 5) * (3 + 2 + 4), {"flags": 0x200, "tiles": struct.pack("<IIB", 16, 16, 2)}),
    ],
)
def test_every_chunk_of_an_exr_must_be_there(chunks: int, options: dict[str, object]) -> None:
    make: Callable[..., bytes] = exr
    content = make(chunks, **options)
    assert complete(content, "a.exr")
    assert not complete(content[:-1], "a.exr")
    for broken in (0, chunks // 2, chunks - 1):
        assert not complete(make(chunks, broken=broken, **options), "a.exr")
    assert not complete(make(chunks - 1, **options), "a.exr")


# -- whatever comes, nobody falls over -----------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.sampled_from([*FORMATS, "EXR"]), st.data())
def test_damage_is_never_an_error_of_another_kind(kind: str, data: st.DataObject) -> None:
    content = bytearray(exr(3) if kind == "EXR" else encoded("RGB", (40, 30), NOISE, kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, min(len(content), 600) - 1))] = data.draw(st.integers(0, 255))
    complete(bytes(content), "a" + FORMATS.get(kind, ".exr"))


@pytest.mark.parametrize(
    "header",
    [
        b"#?RADIANCE\n\n-Y 999999999 +X 999999999\n",
        b"#?RADIANCE\n\n-Y 999999999 +X 0\n",
        b"\x76\x2f\x31\x01\2\0\0\0" + attribute("chunkCount", "int", b"\xff\xff\xff\x7f") + b"\0",
        b"\x89PNG\r\n\x1a\n" + build_png(struct.pack(">IIBBBBB", 2**31, 2**31, 16, 6, 0, 0, 0), b"")[8:],
        b"II*\0\x08\0\0\0\xff\xff" + b"\x11\1\4\0\xff\xff\xff\xff" * 30,
        b"\0\0\x0a\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x20\0" + b"\x80\0\0\0\0" * 9,
    ],
    ids=["hdr", "hdr of no width", "exr", "png", "tif", "tga"],
)
def test_sizes_that_nobody_has_cost_neither_time_nor_memory(header: bytes) -> None:
    assert not complete(header, "a.tga")


def test_a_png_that_inflates_without_end_is_given_up_at_once(tmp_path: Path) -> None:
    bomb = build_png(struct.pack(">IIBBBBB", 5, 7, 16, 2, 0, 0, 0), bytes(200 << 20))
    begun = time.process_time()
    assert not complete(bomb, "a.png")
    assert time.process_time() - begun < 0.1


def test_a_made_up_table_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    header = attribute("chunkCount", "int", struct.pack("<i", 1 << 27))
    with path.open("wb") as file:
        file.write(b"\x76\x2f\x31\x01" + struct.pack("<I", 2) + header + b"\0")
        file.truncate(2 << 30)  # takes no room
    with pytest.raises(IncompleteImage, match="header"):
        check_image(path)


def test_tables_that_are_of_no_use_here_are_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    entries = b"".join(struct.pack("<HHII", 40000 + number, 1, 1 << 22, 0) for number in range(20))
    with path.open("wb") as file:
        file.write(b"II*\0\x08\0\0\0" + struct.pack("<H", 20) + entries)
        file.truncate(1 << 23)
    tracemalloc.start()
    try:
        with pytest.raises(IncompleteImage):
            check_image(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
