# SPDX-License-Identifier: GPL-3.0-or-later
"""Frame numbers: how a set of them is written for people, and which file names may belong to one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import UsageError

MOST_FRAMES = 100_000
"""More than anybody means: an hour of film has 86,400."""

_LAST_FRAME = 1_048_574  # Blender's own limit, in both directions (MAXFRAME)
_RANGE = re.compile(r"(-?\d{1,9})(?:\s*-\s*(-?\d{1,9})(?:\s*[xX]\s*(\d{1,9}))?)?", re.ASCII)
_SYNTAX = "Write frames like 1-50, 60, 70-90x2 (x2: every second one)"


def parse_frames(text: str) -> tuple[int, ...]:
    """Read "1-50, 60, 70-90x2": the frame numbers in the given order, each once. Raises `UsageError`."""
    frames: dict[int, None] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        frames.update(dict.fromkeys(_one_range(part)))
        if len(frames) > MOST_FRAMES:
            raise UsageError(f"More than {MOST_FRAMES:,} frames are asked for", hint="Render them in several jobs")
    if not frames:
        raise UsageError("No frames are given", hint=_SYNTAX)
    return tuple(frames)


def _one_range(part: str) -> range:
    match = _RANGE.fullmatch(part)
    if match is None:
        raise UsageError(f'"{part}" is not a frame or a range of frames', hint=_SYNTAX)
    first = int(match[1])
    last = int(match[2]) if match[2] else first
    step = int(match[3]) if match[3] else 1
    if last < first:
        raise UsageError(f'"{part}" ends before it begins', hint=f"Write it as {last}-{first}")
    if step == 0:
        raise UsageError(f'"{part}" has a step of 0', hint="A step of 1 is every frame")
    for frame in (first, last):
        if abs(frame) > _LAST_FRAME:
            raise UsageError(f"Blender has no frame {frame}", hint=f"Frames go up to {_LAST_FRAME}")
    frames = range(first, last + 1, step)
    if len(frames) > MOST_FRAMES:
        raise UsageError(f'"{part}" is more than {MOST_FRAMES:,} frames', hint="Render them in several jobs")
    return frames


def format_frames(frames: Iterable[int]) -> str:
    """Write frame numbers compactly: 1, 2, 3, 7 becomes "1-3, 7"."""
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def counted(frames: int) -> str:
    """Write a number of frames: "1 frame", "7 frames"."""
    return f"{frames} frame{'s' if frames != 1 else ''}"


def frame_stem(frame: int) -> str:
    """Write a frame number as Blender does in file names: four digits at least, the sign in front."""
    return f"{frame:05d}" if frame < 0 else f"{frame:04d}"


def belongs_to_frame(name: str, frame: int) -> bool:
    """Tell whether a file name may be a result of this frame: its number must stand in it.

    Names come from a rented machine, so this is a check of what it claims. It cannot be stricter: a File Output node
    called "Pass1" writes "Pass10001.png", one called "beauty_###" writes "beauty_007.png".
    """
    return frame_stem(frame) in name or re.search(rf"(?<!\d)0*{abs(frame)}(?!\d)", name) is not None
