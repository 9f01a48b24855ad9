# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: hear when the first sample of the first frame is done: before it nothing was rendering."""

from __future__ import annotations

import re
import time

import bpy

_SAMPLES = re.compile(r"\bSample (\d+)/\d+")


class FirstSample:
    """Listens to what Cycles says of its progress until it has heard of a sample. Other engines count none."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._seconds: float | None = None
        bpy.app.handlers.render_stats.append(self._hear)

    def begin(self) -> None:
        """Note that a frame is begun."""
        self._begun = time.monotonic()

    def take(self) -> dict[str, float]:
        """Return `first_sample`, seconds since `begin`, once; nothing before it was heard of, and afterwards."""
        seconds, self._seconds = self._seconds, None
        return {} if seconds is None else {"first_sample": round(seconds, 3)}

    def _hear(self, text: object, *_: object) -> None:
        counted = _SAMPLES.search(str(text))
        if counted and int(counted[1]) > 0:
            self._seconds = time.monotonic() - self._begun
            if self._hear in bpy.app.handlers.render_stats:  # Blender calls a copy of the list
                bpy.app.handlers.render_stats.remove(self._hear)
