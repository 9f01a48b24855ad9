# SPDX-License-Identifier: GPL-3.0-or-later
"""References of the video sequencer's strips. Sounds, clips and scenes in it are datablocks of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .compat import all_strips
from .multiview import other_views
from .reference import Kind, Reference


def strip_references(data: Any) -> Iterator[Reference]:
    """Yield the references of all strips, those within meta strips included."""
    for scene in data.scenes:
        for strip in all_strips(scene):
            if strip.type == "IMAGE":
                names = [element.filename for element in strip.elements]
                yield from _strip(scene, strip, f"image strip {strip.name}", strip.directory, names)
            elif strip.type == "MOVIE" and strip.filepath:
                name = re.split(r"[/\\]", strip.filepath)[-1]
                folder = strip.filepath.removesuffix(name)
                yield from _strip(scene, strip, f"movie strip {strip.name}", folder, [name])


def _strip(scene: Any, strip: Any, owner: str, folder: str, names: list[str]) -> Iterator[Reference]:
    yield Reference(owner=owner, block=scene, path=folder, kind=Kind.NAMES, names=tuple(names))
    if strip.use_multiview and strip.views_format == "INDIVIDUAL":
        more = tuple(view for name in names for view in other_views(name, [scene]))
        yield Reference(owner=owner, block=scene, path=folder, kind=Kind.NAMES, names=more, required=False)
