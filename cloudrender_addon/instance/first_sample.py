# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: hear when the first sample of the first frame is done: before it nothing was rendering."""

from __future__ import annotations

import re
from collections.abc import Callable

import bpy

_SAMPLES = re.compile(r"\bSample (\d+)/\d+|\bRendering (\d+) / \d+ samples")
"""What Cycles and EEVEE say of their progress (seen in 4.2, 4.5 and 5.0). Workbench counts nothing."""


def tell_first_sample(tell: Callable[[], object]) -> None:
    """Call `tell` once, when Blender says for the first time that a sample is done; never where it counts none."""

    def hear(text: object, *_: object) -> None:
        counted = _SAMPLES.search(str(text))
        if counted and int(counted[1] or counted[2]) > 0 and hear in bpy.app.handlers.render_stats:
            bpy.app.handlers.render_stats.remove(hear)  # Blender calls a copy of the list
            tell()

    bpy.app.handlers.render_stats.append(hear)
