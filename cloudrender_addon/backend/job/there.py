# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames of a render are in its output folder already, complete: what `--resume` need not render."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ...instance.image_reader import IncompleteImage
from ...instance.images import check_image
from ..errors import RecordError
from .frames import frame_stem
from .record import SavedFrame
from .store import JobStore


def frames_there(
    store: JobStore, *, blend: Path, output: Path, frames: Iterable[int], extensions: Sequence[str]
) -> tuple[int, ...]:
    """Return those of the frames that need not be rendered again, in the given order.

    What a job of this computer saved there counts if it is of this file and in one of the scene's `extensions`, and
    every file of it is as it was saved, or at least a complete image. Of a frame that no job saved there, an image
    counts that is named like the frame and complete. All of this is read from disk: about a second for a gigabyte.
    """
    noted = _noted(store, output)
    return tuple(
        frame
        for frame in frames
        if (
            _is_there(*noted[frame], blend=blend, output=output, extensions=extensions)
            if frame in noted
            else any(_complete(output / f"{frame_stem(frame)}{extension}") for extension in extensions)
        )
    )


def _noted(store: JobStore, output: Path) -> dict[int, tuple[Path, SavedFrame]]:
    """Return the .blend and the files of each frame that was saved there; the latest job counts."""
    noted = {}
    for folder in store.folders():
        try:
            spec = folder.load().spec
        except RecordError:  # a damaged record is somebody else's business
            continue
        if spec.output == output:
            noted.update(
                {number: (spec.project / spec.blend, saved) for number, saved in folder.noted_frames().items()}
            )
    return noted


def _is_there(source: Path, saved: SavedFrame, *, blend: Path, output: Path, extensions: Sequence[str]) -> bool:
    if not any(name.startswith(frame_stem(saved.frame)) and name.endswith(tuple(extensions)) for name in saved.files):
        return False
    paths = [output / name for name in saved.files]
    if saved.is_unchanged_in(output):
        return source == blend
    # Somebody else has written there since, or a version of this program that kept no hashes.
    return all(map(_complete, paths)) and (source == blend or not saved.is_in(output))


def _complete(path: Path) -> bool:
    try:
        check_image(path)
    except (OSError, IncompleteImage):
        return False
    return True
