# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipe says of itself, line by line (instance/bake.sh): steps, facts, and why it failed."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..aws.machine_images import Contents
from ..clock import now
from ..errors import CloudrenderError, GpuError, MachineError
from .families import families_of

DISK_FULL = "No space left on device"

_MAX_LINES = 500_000
_MAX_NEWS = 1000
_LOG_LINES = 20
_VERSION = re.compile(r"\d+(\.\d+){1,3}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Baked:
    """What is on the machine now, the device that its first frames were rendered on, what had to be downloaded.

    Its very first frame was finished at `first_frame_at` (`clock.now`), a first sample of it at `first_sample_at`, None
    where that was not told.
    """

    contents: Contents
    device: str
    downloaded: tuple[str, ...]
    first_frame_at: float
    first_sample_at: float | None


class Said:
    """What a recipe has said so far, over all connections. The machine is not trusted: anything may come."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._facts: dict[str, list[str]] = {}
        self._last: deque[str] = deque(maxlen=_LOG_LINES)
        self._error = self._hint = ""
        self._count = 0
        self._first_frame_at = 0.0
        self._first_sample_at = self._sampled_ago = math.nan
        self._news: set[str] = set()
        self.step = ""
        """What it is at."""

    @property
    def progress(self) -> int:
        """How many different things it has said of what it does: more than before means that it gets on."""
        return len(self._news)

    def hear(self, line: str) -> None:
        """Take a line in. Raises `MachineError` if there are more than makes sense."""
        self._count += 1
        if self._count > _MAX_LINES or len(self._news) > _MAX_NEWS:
            raise MachineError("The recipe prints more than makes sense")
        line = line[:500]
        kind, _, text = line.partition(" ")
        match kind:
            case "::step":
                self.step = text
                self._say(text)
                self._news.add(line)
            case "::fact":
                name, _, value = text.partition(" ")
                if name == "sampled":  # another time each time: no news
                    self._sampled_ago = _seconds(value)
                    return
                if name == "device" and not self._first_frame_at:
                    self._first_frame_at = now()
                    self._first_sample_at = self._first_frame_at - self._sampled_ago
                if line not in self._news:  # a recipe that is run again says it again
                    self._facts.setdefault(name, []).append(value)
                self._news.add(line)
            case "::error":
                self._error = text
            case "::hint":
                self._hint = text
            case _ if line.strip():
                self._last.append(line)

    def failure(self, error: MachineError) -> CloudrenderError:
        """Return the error of a recipe that ended with another status than 0."""
        details = tuple(self._last)
        if any(DISK_FULL in line for line in (self._error, *details)):
            return full_disk(details)
        if not self._error:
            return MachineError(f"{error.message}, at: {self.step}" if self.step else error.message, details=details)
        about_gpu = "NVIDIA" in self._error or "GPU" in self._error
        return (GpuError if about_gpu else MachineError)(self._error, hint=self._hint, details=details)

    def result(self, kind: str) -> Baked:
        """Return what the recipe says it did. Raises `MachineError` if that is not all of it, or makes no sense."""
        versions = tuple(dict.fromkeys(self._facts.get("blender", [])))
        driver = self._facts.get("driver", [""])[-1]
        plain = all(_VERSION.fullmatch(each) for each in (*versions, *([driver] if kind != "cpu" else [])))
        if not self.finished or not self._first_frame_at or not versions or not plain:
            raise MachineError("The recipe did not say what it did", details=tuple(self._last))
        contents = Contents(
            kind=kind, blender=versions, driver=driver if kind != "cpu" else "", families=families_of(kind)
        )
        return Baked(
            contents=contents,
            device=", ".join(dict.fromkeys(self._facts.get("device", []))),
            downloaded=tuple(self._facts.get("download", [])),
            first_frame_at=self._first_frame_at,
            first_sample_at=None if math.isnan(self._first_sample_at) else self._first_sample_at,
        )

    @property
    def finished(self) -> bool:
        """Whether all that an image is made of is there and was tried."""
        return "finished" in self._facts


def _seconds(text: str) -> float:
    """Return a span of time that a recipe tells; NaN if it makes no sense."""
    try:
        seconds = float(text)
    except ValueError:
        return math.nan
    return seconds if 0.0 <= seconds < math.inf else math.nan


def full_disk(details: tuple[str, ...] = ()) -> MachineError:
    """Return the error of a machine whose disk has no room for what was asked for."""
    return MachineError(
        "The disk of the machine is full",
        hint="Ask for fewer Blender versions at once, or begin with an image that has a larger disk (--image)",
        details=details,
    )
