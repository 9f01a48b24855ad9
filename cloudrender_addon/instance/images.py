# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a file a complete image? Asked on the machine before a frame counts as rendered, and where it is kept.

With the standard library alone: what Blender writes includes formats that no common package reads.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

from . import image_formats as formats
from .image_exr import MAGIC as EXR_MAGIC
from .image_exr import check_exr
from .image_png import SIGNATURE as PNG_SIGNATURE
from .image_png import check_png
from .image_reader import ImageReader, IncompleteImage

_BY_CONTENT: tuple[tuple[bytes, Callable[[ImageReader], None]], ...] = (
    (re.escape(PNG_SIGNATURE), check_png),
    (re.escape(EXR_MAGIC), check_exr),
    (rb"\xff\xd8\xff", formats.check_jpeg),
    (rb"II[*+]\0|MM\0[*+]", formats.check_tiff),
    (rb"RIFF....WEBP", formats.check_webp),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", formats.check_jpeg2000),
    (rb"#\?(RADIANCE|RGBE)\n", formats.check_radiance),
    (rb"SDPX|XPDS", formats.check_dpx),
    (rb"\x80\x2a\x5f\xd7|\xd7\x5f\x2a\x80", formats.check_cineon),
    (rb"\x01\xda[\0\x01][\x01\x02]", formats.check_iris),
    (rb"BM........", formats.check_bmp),
)
"""How a file of a format begins, and what looks at the rest. The name does not matter, as it does not in Blender."""

_BY_NAME = {".tga": formats.check_targa}

_KNOWN = frozenset(
    (".png", ".exr", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".jp2", ".j2c", ".hdr", ".dpx", ".cin", ".rgb", ".bmp")
)

_BEGINNING_BYTES = 16


def check_image(path: Path, *, name: str = "") -> None:
    """Raise `IncompleteImage` if the file is none, or one that is cut short or damaged as far as its format shows that.

    `name` is what the file will be called, if `path` is not it yet. A format that is not known is complete if there
    is anything of it. Raises `OSError`.
    """
    with path.open("rb") as file:
        image = ImageReader(file, size=os.fstat(file.fileno()).st_size)
        if not image.size:
            raise IncompleteImage("it is empty")
        extension = Path(name or path.name).suffix.lower()
        check = _check_for(image.at(0, min(_BEGINNING_BYTES, image.size)), extension)
        if check is None:
            return
        try:
            check(image)
        except (struct.error, ValueError, LookupError, ArithmeticError) as error:  # numbers that make no sense
            raise IncompleteImage("its data is damaged") from error


def _check_for(beginning: bytes, extension: str) -> Callable[[ImageReader], None] | None:
    for pattern, check in _BY_CONTENT:
        if re.match(pattern, beginning, re.DOTALL):
            return check
    if extension in _KNOWN:
        raise IncompleteImage("it does not begin like one")
    return _BY_NAME.get(extension)
