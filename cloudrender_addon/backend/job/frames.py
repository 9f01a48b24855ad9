# SPDX-License-Identifier: GPL-3.0-or-later
"""Frame numbers: how a set of them is written for people, and which file names may belong to one."""

from __future__ import annotations

import re
from collections.abc import Iterable


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
