# SPDX-License-Identifier: GPL-3.0-or-later
"""Read from a .blend, without Blender, what must be known before a machine is rented."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import zstandard
from blender_asset_tracer import blendfile
from blender_asset_tracer.blendfile.exceptions import BlendFileError, SegmentationFault
from blender_asset_tracer.blendfile.iterators import listbase

from .errors import SceneError
from .releases import OLDEST_BLENDER

NEWEST_BLENDER = (5, 0)
"""The newest series that this was written for: there may be newer ones meanwhile."""

_MOVIE_FORMATS = frozenset({15, 18, 24})
"""R_IMF_IMTYPE_AVIRAW, _AVIJPEG, _FFMPEG in Blender's DNA_scene_types.h."""

EXTENSIONS = {
    0: (".tga",),
    1: (".rgb",),
    4: (".jpg",),
    14: (".tga",),
    17: (".png",),
    20: (".bmp",),
    21: (".hdr",),
    22: (".tif",),
    23: (".exr",),
    26: (".cin",),
    27: (".dpx",),
    28: (".exr",),
    30: (".jp2", ".j2c"),
    35: (".webp",),
}
"""What Blender 4.2 to 5.0 name stills like, by R_IMF_IMTYPE_…"""

_COMPOSITING = (b"nodetree", b"compositing_node_group")
"""Where the scene has it, before and since 5.0."""

_MAGIC = b"BLENDER"
_LFS = b"version https://g"  # what Git leaves in the place of a large file
_HEADER_BYTES = 17
_NEWER_FORMAT = re.compile(rb"BLENDER(?!17-01)\d\d-\d\d[vV]")
"""A header as 5.0 writes it, but of another size or file format: BlendFileHeader in the library."""

_SAVE_AGAIN = "Open it in Blender and save it again; Blender keeps the version before as .blend1"

_MOST_MARKERS = 100_000
"""In a damaged file the list may be a ring."""

_DAMAGE = (
    BlendFileError,
    OSError,
    EOFError,
    LookupError,
    ValueError,
    struct.error,
    zlib.error,
    zstandard.ZstdError,
)
"""What the parser raises on a file that is cut short or overwritten; DNA1, the block it needs, stands at the end."""


@dataclass(frozen=True, kw_only=True)
class SceneInfo:
    """The active scene of a .blend: frame range and current frame as saved, and who saved it.

    `saved_by` is Blender's (major, minor): the file does not tell the patch release. `extensions` are those that its
    frames may have; none for a format that is not known here. `has_picture` is False only if there is certainly no
    camera, and nothing that needs none.
    """

    saved_by: tuple[int, int]
    frame_start: int
    frame_end: int
    frame_step: int
    frame_current: int
    is_movie: bool
    extensions: tuple[str, ...] = (".png",)
    has_picture: bool = True

    @property
    def blender(self) -> str:
        """The series to render with: the file's own, but never older than this tool supports."""
        major, minor = max(self.saved_by, OLDEST_BLENDER)
        return f"{major}.{minor}"


def read_scene(path: Path) -> SceneInfo:
    """Read the active scene of a .blend, compressed or not. Raises `SceneError`."""
    if not path.is_file():
        raise SceneError(f"There is no file {path}", hint="Check the name, or run from the project's folder")
    try:
        file = _CheckedBlendFile(path)
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    try:
        return _active_scene(file)
    except (*_DAMAGE, StopIteration) as error:
        if divmod(file.header.version, 100) > NEWEST_BLENDER:
            raise _too_new(path) from error
        raise SceneError(f"{path.name} holds no readable scene", hint=_SAVE_AGAIN) from error
    finally:
        file.close()


def _unreadable(path: Path, error: Exception) -> SceneError:
    """Say what a file is that cannot be read: by its first bytes, which a .blend that was cut short has still."""
    try:
        start = _first_bytes(path)
    except OSError as denied:
        return SceneError(f"{path.name} cannot be read ({denied.strerror})", hint="Check its rights, and that disk")
    if not start:
        return SceneError(f"{path.name} is empty or cut short", hint=_SAVE_AGAIN)
    if not start.startswith(_MAGIC) and not _MAGIC.startswith(start):
        fetch = "Fetch it with `git lfs pull`: this only names it" if start.startswith(_LFS) else ""
        return SceneError(f"{path.name} is not a Blender file", hint=fetch or "Name a .blend that Blender has saved")
    if _NEWER_FORMAT.match(start):
        return _too_new(path)
    return SceneError(f"{path.name} is cut short or damaged", hint=_SAVE_AGAIN, details=(str(error),))


def _first_bytes(path: Path) -> bytes:
    """Return what a file begins with once unpacked; nothing if not even that can be unpacked. Raises `OSError`."""
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
        file.seek(0)
        try:
            if start.startswith(b"\x28\xb5\x2f\xfd"):
                return zstandard.ZstdDecompressor().stream_reader(file).read(_HEADER_BYTES)
            if start.startswith(b"\x1f\x8b"):
                return gzip.GzipFile(fileobj=file).read(_HEADER_BYTES)
        except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError):
            return b""
        return start


def _too_new(path: Path) -> SceneError:
    newest = ".".join(map(str, NEWEST_BLENDER))
    return SceneError(
        f"{path.name} was saved by a Blender newer than any that this cloudrender knows",
        hint=f"Save it with Blender {newest}, or update cloudrender",
    )


class _CheckedBlendFile(blendfile.BlendFile):
    """The library's reader, made safe against a damaged DNA1 block, on whose counts it would loop for minutes."""

    def decode_structs(self, block: blendfile.BlendFileBlock) -> None:
        data = self.fileobj.read(block.size)
        position = len(b"SDNA")
        for tag in (b"NAME", b"TYPE"):
            if data[position : position + 4] != tag:
                raise BlendFileError(f"its table of {tag.decode()}s is damaged", self.filepath)
            count = int.from_bytes(data[position + 4 : position + 8], "little")
            position += 8
            for _ in range(count):
                position = data.index(b"\0", position) + 1
            position += -position % 4
        self.fileobj.seek(block.file_offset)
        super().decode_structs(block)


def _active_scene(file: blendfile.BlendFile) -> SceneInfo:
    current = file.code_index[b"GLOB"][0].get(b"curscene")
    scene = next(block for block in file.code_index[b"SC"] if block.addr_old == current)

    def render(name: bytes) -> int:
        return int(scene.get((b"r", name)))

    image_type = int(scene.get((b"r", b"im_format", b"imtype")))
    is_movie = image_type in _MOVIE_FORMATS
    return SceneInfo(
        saved_by=divmod(file.header.version, 100),
        frame_start=render(b"sfra"),
        frame_end=render(b"efra"),
        frame_step=max(render(b"frame_step"), 1),
        frame_current=render(b"cfra"),
        is_movie=is_movie,
        extensions=(".png",) if is_movie else EXTENSIONS.get(image_type, ()),
        has_picture=_has_picture(scene),
    )


def _has_picture(scene: blendfile.BlendFileBlock) -> bool:
    """Tell whether there is, or may be, a camera, a sequence or compositing; the machine looks more closely."""
    if scene.get(b"camera") or any(scene.get(name, 0) for name in _COMPOSITING):
        return True
    try:
        editor = scene.get_pointer(b"ed")
        if editor is not None and editor.get((b"seqbase", b"first")):
            return True
        markers = listbase(scene.get_pointer((b"markers", b"first")))
        return any(marker.get(b"camera") for marker in islice(markers, _MOST_MARKERS))
    except SegmentationFault:  # a pointer that leads nowhere
        return True
