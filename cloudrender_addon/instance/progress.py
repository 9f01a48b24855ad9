# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames are still to be rendered, and what became of the others. Knows neither Blender nor files."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

_ATTEMPTS = 2
_HOPELESS = 3


class Progress:
    """The frames of one plan. It starts from the events of an agent before this one, so nothing is done twice."""

    def __init__(self, frames: Iterable[int], events: Iterable[dict[str, Any]] = ()) -> None:
        self.done: set[int] = set()
        self.failed: list[int] = []
        for event in events:
            if event["event"] == "frame":
                self.done.add(event["frame"])
            elif event["event"] == "frame_failed":
                self.failed.append(event["frame"])
        settled = self.done.union(self.failed)
        self._missing = deque(frame for frame in dict.fromkeys(frames) if frame not in settled)
        self._faults: Counter[int] = Counter()
        self._seconds: list[float] = []

    @property
    def missing(self) -> int:
        """How many frames no Blender has in hand and nobody has given up."""
        return len(self._missing)

    def take(self) -> int | None:
        """Return the next frame to render, or None when there is none."""
        return self._missing.popleft() if self._missing else None

    def put_back(self, frame: int) -> None:
        """Make a frame that was taken, and not rendered for no fault of its own, the next one."""
        self._missing.appendleft(frame)

    def finish(self, frame: int, seconds: float) -> None:
        """Count a published frame."""
        self.done.add(frame)
        self._seconds.append(seconds)

    def fault(self, frame: int) -> bool:
        """Count a failed attempt. True sets the frame aside; else it comes again, after all the others."""
        self._faults[frame] += 1
        if self._faults[frame] < _ATTEMPTS:
            self._missing.append(frame)
            return False
        self.failed.append(frame)
        return True

    @property
    def hopeless(self) -> bool:
        """Whether three frames were set aside and none ever worked: the rest would only cost money."""
        return not self.done and len(self.failed) >= _HOPELESS

    @property
    def typical_seconds(self) -> float | None:
        """The median time of a frame, None before the first is done."""
        ordered = sorted(self._seconds)
        return ordered[len(ordered) // 2] if ordered else None

    @property
    def fastest_seconds(self) -> float | None:
        """The shortest time of a frame, None before the first is done."""
        return min(self._seconds, default=None)
