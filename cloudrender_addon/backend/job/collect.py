# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one finished frame from the machine to the output folder, look at its images, and note it as saved."""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ...instance.image_reader import IncompleteImage
from ...instance.images import check_image
from ..cancel import CancelToken
from ..errors import BrokenFrameError, CloudrenderError, MachineError, TransferError
from ..farms.link import Link, RemoteFile
from .folder import JobFolder
from .frames import belongs_to_frame
from .record import SavedFrame

_FETCH_TRIES = 3
_MOST_BYTES = 64 << 30
"""Of one file: more than any image has, and less than would fill a disk unnoticed."""

_SETTLERS = 8

_UNFINISHED = ".cloudrender"
"""What a file's name ends in until it is here and complete; ".part" follows while it is being fetched."""


class Collector:
    """Fetches frames into one output folder, each once; knows what is already there.

    What the machine announces is not trusted: only asked-for frames are taken, only under names that carry the
    frame's number, and no file of one frame may replace a file of another.
    """

    def __init__(self, folder: JobFolder, *, frames: tuple[int, ...], output: Path) -> None:
        self._folder = folder
        self._wanted = frozenset(frames)
        self.output = output
        self.saved = {n: s for n, s in folder.saved_frames(output).items() if n in self._wanted}
        self._unsettled: list[Path] = []
        self._look_at_unsettled()
        self._forget_unfinished()
        self._owners = {name.casefold(): s.frame for s in self.saved.values() for name in s.files}
        self._broken: set[int] = set()

    def wants(self, frame: int) -> bool:
        """Tell whether a frame was asked for and is neither here nor given up."""
        return frame in self._wanted and frame not in self.saved and frame not in self._broken

    def expect(self, link: Link, events: Iterable[dict[str, Any]]) -> None:
        """Tell the link which of the files that were announced together will be collected."""
        for event in events:
            if event.get("event") == "frame":
                with contextlib.suppress(MachineError):  # raised when it is collected
                    frame, _, files = _parse(event)
                    if self.wants(frame):
                        link.expect(files)

    def collect(self, link: Link, event: dict[str, Any], *, cancel: CancelToken) -> SavedFrame | None:
        """Fetch the frame of a `frame` event; None if it is here already, given up, or was never asked for.

        The files get their names when all of them are here and complete: what was there before is not replaced by less.

        Raises `MachineError` (what was announced is unfit), `TransferError` (what arrived is not that, however often it
        is fetched), `BrokenFrameError` (it arrived as it is on the machine, and is no image; once for each frame),
        `LinkError`, `Cancelled`, and `CloudrenderError` when this computer's disk refuses it.
        """
        frame, seconds, files = _parse(event)
        if not self.wants(frame):
            return None
        for file in files:
            mine = belongs_to_frame(file.name, frame) and self._owners.get(file.name.casefold(), frame) == frame
            if not (file.plain and mine):
                raise MachineError(
                    f"The machine offered a file {file.name!r} as frame {frame}",
                    hint="Render again; if it happens again, the machine image is not to be trusted",
                )
        try:
            for file in files:
                self._fetch(link, file, cancel=cancel)
            for file in files:
                with self._disk(file):
                    self._unchecked(file).replace(self.output / file.name)
        except BrokenFrameError:
            self._broken.add(frame)
            raise
        finally:
            for file in files:
                with contextlib.suppress(OSError):
                    self._unchecked(file).unlink()
        saved = SavedFrame(
            frame=frame,
            seconds=seconds,
            files=tuple(file.name for file in files),
            sizes=tuple(file.size for file in files),
            sha256=tuple(file.sha256.lower() for file in files),
        )
        self._unsettled += (self.output / file.name for file in files)
        self._folder.add_saved(saved)
        self.saved[frame] = saved
        self._owners.update({file.name.casefold(): frame for file in files})
        return saved

    def settle(self) -> None:
        """See through to the disk what has been collected: from then on no power cut of this computer takes it back.

        Not one by one as they come: a disk settles a hundred files that wait together about as soon as a single one.
        One that is lost before is still on its machine, and the next client notices. Raises `CloudrenderError`.
        """
        unsettled, self._unsettled = self._unsettled, []
        if not unsettled:
            return
        with ThreadPoolExecutor(_SETTLERS, thread_name_prefix="cloudrender-settle") as pool:
            for path, error in zip(unsettled, pool.map(_to_disk, unsettled), strict=True):
                if error is not None:
                    raise CloudrenderError(
                        f"{path.name} cannot be written to {self.output} ({error.strerror})",
                        hint="Check that disk and resume the job, or start one with another output folder",
                    ) from error
        self._folder.add_settled()

    def _look_at_unsettled(self) -> None:
        """Take frames that a client before this one did not settle for what they are: a power cut may have been why.

        After one, some disks have files of the right length that hold nothing.
        """
        for number in self._folder.unsettled() & self.saved.keys():
            saved = self.saved[number]
            if saved.sha256 and not saved.is_unchanged_in(self.output):
                del self.saved[number]
            else:
                self._unsettled += (self.output / name for name in saved.files)

    def _forget_unfinished(self) -> None:
        """Delete what clients before this one had half here when they died."""
        missing = self._wanted - self.saved.keys()
        for path in self.output.glob(f"*{_UNFINISHED}*"):
            name = path.name.removesuffix(".part").removesuffix(_UNFINISHED)
            if any(belongs_to_frame(name, frame) for frame in missing):
                # Not worth an error: whoever fetches this frame writes it anew.
                with contextlib.suppress(OSError):
                    path.unlink()

    def _fetch(self, link: Link, file: RemoteFile, *, cancel: CancelToken) -> None:
        """Bring a file here and look at it; one that is damaged is fetched again, as that may be the way's fault."""
        for attempt in range(1, _FETCH_TRIES + 1):
            try:
                with self._disk(file):
                    self.output.mkdir(parents=True, exist_ok=True)
                    link.fetch(file, self._unchecked(file), cancel=cancel)
                    check_image(self._unchecked(file), name=file.name)
            except TransferError:
                if attempt == _FETCH_TRIES:
                    raise
            except IncompleteImage as fault:
                if attempt == _FETCH_TRIES:
                    raise BrokenFrameError(f"{file.name} is no complete image: {fault}") from fault
            else:
                return

    def _unchecked(self, file: RemoteFile) -> Path:
        return self.output / f"{file.name}{_UNFINISHED}"

    @contextlib.contextmanager
    def _disk(self, file: RemoteFile) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CloudrenderError(
                f"{file.name} cannot be written to {self.output} ({error.strerror})",
                hint="Make room there and resume the job, or start one with another output folder",
            ) from error


def _to_disk(path: Path) -> OSError | None:
    """Return what went wrong with the disk; that somebody has taken the file away, or holds it, is not our business."""
    try:
        with path.open("r+b") as file:
            os.fsync(file.fileno())
    except OSError as error:
        return error if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT) else None
    return None


def _parse(event: dict[str, Any]) -> tuple[int, float, tuple[RemoteFile, ...]]:
    try:
        files = tuple(
            RemoteFile(name=str(f["name"]), size=int(f["size"]), sha256=str(f["sha256"])) for f in event["files"]
        )
        frame, seconds = int(event["frame"]), float(event["seconds"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MachineError("The machine sent a frame report that makes no sense", hint="Render again") from error
    if not math.isfinite(seconds) or seconds < 0:  # one that is noted would spoil the estimates of all later jobs
        raise MachineError("The machine sent a frame report that makes no sense", hint="Render again")
    if any(not 0 <= file.size <= _MOST_BYTES for file in files):
        raise MachineError(
            f"The machine offers a file of a size that no image of frame {frame} has", hint="Render again"
        )
    if not files:
        raise MachineError(f"The machine reported frame {frame} without a file", hint="Render again")
    return frame, seconds, files
