# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of the .blends in which a path has to change."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from . import blend_copy
from .blend_format import NotABlend
from .blends import Blend, Blends
from .request import Answer

_EDITION = 1
"""To be raised when what is written into a copy changes: copies are kept and found again by their key."""


def rewrite(blends: Blends, *, staging: Path, answer: Answer) -> None:
    """Put copies of the .blends with changed paths into `staging`, and into the answer in place of the originals.

    A copy that is there already is not made again. Raises `OSError` if one cannot be written.
    """
    staging.mkdir(parents=True, exist_ok=True)
    for blend in blends.sent():
        try:
            copy = _copied(blend, blends, staging)
        except (NotABlend, ValueError) as error:
            owner = f"library {os.path.basename(blend.path)}" if blend is not blends.main else "the file itself"
            why = f"sent with the paths it has: {error}"
            answer.left_out.append({"owner": owner, "path": blend.path, "why": why})
        else:
            answer.files[blend.name] = str(copy)


def _copied(blend: Blend, blends: Blends, staging: Path) -> Path:
    path = Path(blend.path)
    if not (blend.changes or blends.links_others(blend)):
        return path
    before = path.stat()  # if it is saved anew while it is read, nobody finds the copy by what the file is then
    with blend_copy.opened(path, scratch=staging) as copy:
        if blends.links_others(blend):
            blends.note_libraries(blend, copy.library_paths())
        if not (blend.changes or blend.packed):
            return path
        target = staging / f"{_key(blend, before)}.blend"
        if not target.exists():
            part = target.with_suffix(".part")
            with part.open("wb") as file:
                copy.write(file, blend.changes, packed=blend.packed)
            os.replace(part, target)
        return target


def _key(blend: Blend, status: os.stat_result) -> str:
    """Return what a copy is known by: the file as it was when it was opened, and what is changed in it."""
    file = [blend.path, status.st_size, status.st_mtime_ns, status.st_ino]
    text = json.dumps(
        [_EDITION, file, blend.changes, blend.packed], sort_keys=True
    )  # ASCII: what is no text is escaped
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]
