# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the frames of a plan: hand them to Blender one by one, publish them, and outlive Blender's crashes."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .blender_log import last_lines
from .blender_process import BlenderDied, BlenderProcess, NotWorthWaiting
from .failure import Failure, disk_full
from .image_reader import IncompleteImage
from .journal import Journal
from .leaving import Leaving
from .progress import Progress
from .publish import publish
from .root import Root

_LOADS = 2
_FULL_BYTES = 32 << 20  # with less left on the disk, a frame may have been cut short


class Rendering:
    """One plan's frames. `start` gives a new Blender that writes to the folder; `leaving` tells when to end early."""

    def __init__(
        self,
        *,
        root: Root,
        progress: Progress,
        journal: Journal,
        start: Callable[[Path], BlenderProcess],
        leaving: Leaving,
    ) -> None:
        self._root = root
        self._progress = progress
        self._journal = journal
        self._start = start
        self._leaving = leaving
        self._in_hand: int | None = None
        self._begun = 0.0
        self._described = False
        self._failed_loads = 0

    def run(self) -> bool:
        """Render all that is missing and return True, or False if the machine is to be left. Raises `Failure`."""
        session = 0
        while self._progress.missing and not self._leaving.reason():
            session += 1
            # never a folder that the orphaned Blender of a killed agent may still write to
            work = self._root.work / f"{os.getpid()}-{session}"
            work.mkdir(parents=True)
            with self._start(work) as blender:
                try:
                    self._session(blender, work)
                except BlenderDied as death:
                    self._bury(str(death))
                except NotWorthWaiting:
                    self._abandon(blender)
            shutil.rmtree(work)
        return not self._progress.missing

    def _session(self, blender: BlenderProcess, work: Path) -> None:
        """Render until one Blender has nothing left to do. Raises `BlenderDied`, `Failure`."""
        self._describe(blender.reply(unless=lambda: bool(self._leaving.reason())))
        self._begin_next(blender)
        while self._in_hand is not None:
            reply = blender.reply(unless=self._too_late)
            frame, self._in_hand = self._in_hand, None
            if reply["reply"] == "frame":
                # First the next frame, then this one: Blender renders while this one is hashed and published.
                self._begin_next(blender)
                self._publish(frame, reply, work)
            else:
                self._set_back(frame, reply["message"])
                self._begin_next(blender)

    def _describe(self, reply: dict[str, Any]) -> None:
        if reply["reply"] == "error":
            raise Failure(
                kind=reply["kind"],
                message=reply["message"],
                hint=reply["hint"],
                log=last_lines(self._root.blender_log),
            )
        if not self._described:
            names = ("engine", "device", "devices", "format", "extension", "notes")
            self._journal.append("scene", **{name: reply[name] for name in names})
            self._described = True

    def _begin_next(self, blender: BlenderProcess) -> None:
        if self._leaving.reason():
            return
        self._in_hand, self._begun = self._progress.take(), time.monotonic()
        if self._in_hand is not None:
            blender.render(self._in_hand)
            self._journal.append("frame_started", frame=self._in_hand)

    def _too_late(self) -> bool:
        return self._leaving.in_vain(since=self._begun)

    def _abandon(self, blender: BlenderProcess) -> None:
        """End a Blender whose frame will not be done in time: the next machine can begin with it the sooner."""
        blender.kill()
        frame, self._in_hand = self._in_hand, None
        if frame is not None:
            self._progress.put_back(frame)

    def _publish(self, frame: int, reply: dict[str, Any], work: Path) -> None:
        written = work / str(frame)
        try:
            if shutil.disk_usage(written).free < _FULL_BYTES:
                raise disk_full()
            files = publish(reply["files"], written=written, frames=self._root.frames)
        except IncompleteImage as fault:
            shutil.rmtree(written)
            self._set_back(frame, str(fault))
            return
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise disk_full() from error
            raise
        self._journal.append("frame", frame=frame, seconds=reply["seconds"], files=files)
        self._progress.finish(frame, reply["seconds"])
        shutil.rmtree(written)

    def _bury(self, reason: str) -> None:
        """Account for a Blender that died: on the frame it had in hand, or while it was loading."""
        frame, self._in_hand = self._in_hand, None
        if frame is not None:
            self._set_back(frame, reason)
            return
        self._failed_loads += 1
        if self._failed_loads >= _LOADS:
            raise Failure(
                kind="scene",
                message=f"The file cannot be opened: {reason}",
                hint="Open it in the same version of Blender; the lines below are the last ones Blender printed.",
                log=last_lines(self._root.blender_log),
            )

    def _set_back(self, frame: int, reason: str) -> None:
        log = last_lines(self._root.blender_log)
        if "No space left on device" in reason or shutil.disk_usage(self._root.path).free < _FULL_BYTES:
            raise disk_full()
        if not self._progress.fault(frame):
            return
        self._journal.append("frame_failed", frame=frame, reason=reason, log=log)
        if self._progress.hopeless:
            raise Failure(
                kind="scene",
                message=f"No frame can be rendered: {reason}",
                hint="Render one of them in the same version of Blender; the last lines it printed here are below.",
                log=log,
            )
