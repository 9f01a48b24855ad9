# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn what Blender wrote into finished frames: complete images, hashed, on the disk, and named all at once."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .image_reader import IncompleteImage
from .images import check_image

_CHUNK_BYTES = 1 << 20
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")


def publish(names: Sequence[str], *, written: Path, frames: Path) -> list[dict[str, Any]]:
    """Move the files `names` from the folder `written` to `frames`, and return what the `frame` event says of them.

    Raises `IncompleteImage`, `OSError`, or `ValueError` for a name that is not a plain one.
    """
    files = []
    for name in names:
        if not _PLAIN_NAME.fullmatch(name):
            raise ValueError(f"not a plain file name: {name!r}")
        size, digest = _settle(written / name)
        try:
            check_image(written / name)
        except IncompleteImage as fault:
            raise IncompleteImage(f"Blender wrote {name}, which is no complete image: {fault}") from fault
        files.append({"name": name, "size": size, "sha256": digest})
    for name in names:
        (written / name).rename(frames / name)
    _sync(frames)
    return files


def _settle(path: Path) -> tuple[int, str]:
    """Bring a file's content to the disk and return its size and SHA-256, in little memory however large it is."""
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK_BYTES)
    view = memoryview(buffer)
    size = 0
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
        while count := file.readinto(view):
            digest.update(view[:count])
            size += count
        os.fsync(descriptor)
    return size, digest.hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
