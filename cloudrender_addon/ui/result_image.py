# SPDX-License-Identifier: GPL-3.0-or-later
"""The image "Cloud Render": one datablock that shows a job's frames, looked up anew each time.

Undo and loading a file free every datablock, so no reference to it is kept anywhere: it is known by a mark of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import bpy

from ..backend.job.frames import frame_stem

NAME = "Cloud Render"
_MARK = "cloudrender_job"
_SCENE_LINEAR = (".exr", ".hdr")  # no view transform is in these files; F12 shows them through the scene's


def find() -> Any:
    """Return the image, or None while this file has none."""
    images: Any = bpy.data.images
    return next(filter(is_ours, images), None)


def is_ours(image: Any) -> bool:
    """Tell whether it is this image."""
    return bool(image.library is None and image.get(_MARK))


def job_folder(image: Any) -> Path:
    """Return the folder of the job whose frames the image shows."""
    return Path(image[_MARK])


def picture(paths: Iterable[Path], *, frame: int) -> Path | None:
    """Return which of a frame's files is to be looked at, None if that one is not on disk any more.

    Beside the image itself there may be a second eye ("0001_R.png") and the files of File Output nodes.
    """
    stem = frame_stem(frame)
    ordered = sorted(paths, key=lambda path: (not path.name.startswith(stem), len(path.name), path.name))
    return ordered[0] if ordered and ordered[0].is_file() else None


def show(path: Path, *, job: Path) -> Any:
    """Let the image show this file, a frame of the job in that folder; return it. Raises RuntimeError.

    Blender reads the file when it draws it.
    """
    image = find()
    if image is None or Path(image.filepath).suffix.lower() != path.suffix.lower():
        image = _replace(image, path)
    else:
        image.source = "FILE"
        image.filepath = str(path)  # also when it is the same: that makes Blender read it again
    image[_MARK] = str(job)
    return image


def show_sequence(image: Any, files: Mapping[int, Path], *, users: Iterable[Any]) -> bool:
    """Let the image follow the timeline, in these frames and the ImageUsers of the editors that show it.

    Return False, and change nothing, if fewer than two frames would move: a sequence knows no negative frames.
    """
    numbers = sorted(number for number in files if number >= 0)
    if len(numbers) < 2:
        return False
    first, last = numbers[0], numbers[-1]
    image.filepath = str(files[first])  # the fewest digits: "9998.png" leads to "10001.png", the reverse would not
    image.source = "SEQUENCE"
    for user in users:
        user.frame_start = first
        user.frame_duration = last - first + 1
        user.frame_offset = first - 1  # Blender counts a sequence from 1; files are numbered as the timeline is
        user.use_cyclic = False
        user.use_auto_refresh = True
    return True


def _replace(old: Any, path: Path) -> Any:
    """Make the image anew: the color space it found in files of another format would stay with it."""
    image: Any = bpy.data.images.load(str(path), check_existing=False)
    image.use_view_as_render = path.suffix.lower() in _SCENE_LINEAR
    if old is not None:
        old.user_remap(image)
        bpy.data.images.remove(old)
    image.name = NAME
    return image
