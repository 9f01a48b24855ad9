# SPDX-License-Identifier: GPL-3.0-or-later
"""The other eye's files: one name is stored, and the suffixes of the scene's views give the others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any


def other_views(path: str, scenes: Iterable[Any]) -> Iterator[str]:
    """Yield the paths of the other views of a file: `wood_L.png` → `wood_R.png`.

    Source: BKE_scene_multiview_view_prefix_get() in blenkernel/intern/scene.cc.
    """
    stem, extension = os.path.splitext(path)
    suffixes = {view.file_suffix for scene in scenes for view in scene.render.views if view.file_suffix}
    for own in sorted(suffixes):
        if stem.endswith(own):
            for other in sorted(suffixes - {own}):
                yield stem.removesuffix(own) + other + extension
