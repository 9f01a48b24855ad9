# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of .blends whose paths lead to where their files are in the bundle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import bpy

from .opening import CannotOpen, open_blend, save_copy
from .request import Answer
from .tracer import Blend, Tracer

_EDITION = 1
"""To be raised when what is stored in a copy changes: copies are kept and found again by their key."""


def rewrite(tracer: Tracer, *, staging: Path, answer: Answer) -> None:
    """Put copies of all .blends with changed paths into `staging`, and into the answer in place of the originals.

    The main file is the open one and comes first; then each library is opened. A copy that is there already is not made
    again. Raises `OSError`, `RuntimeError` if one cannot be written.
    """
    staging.mkdir(parents=True, exist_ok=True)
    changed = sorted(tracer.changed.values(), key=lambda blend: blend is not tracer.main)
    for blend in changed:
        target = staging / f"{Path(blend.name).stem}-{_key(blend, tracer)}.blend"
        if not target.exists():
            try:
                if blend is not tracer.main:
                    open_blend(blend.path)
            except CannotOpen as error:
                answer.left_out.append(
                    {"owner": f"library {Path(blend.path).name}", "path": blend.path, "why": str(error)}
                )
                continue
            tracer.rewrite(blend)
            save_copy(target)
        answer.files[blend.name] = str(target)


def _key(blend: Blend, tracer: Tracer) -> str:
    """Return what a copy is known by: the content of the file, and what is changed in it."""
    with Path(blend.path).open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    parts = [_EDITION, bpy.app.version_string, content, blend.name, sorted(tracer.changes(blend))]
    text = json.dumps(parts)  # in ASCII: what is no text is escaped
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:24]
