# SPDX-License-Identifier: GPL-3.0-or-later
"""What this Blender knows and does at the moment: the only mutable state of the extension.

Everything here is read and changed on the main thread alone. Scene properties would be rolled back by undo, and saved
into the .blend; this is neither.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from ..backend.cancel import CancelToken, Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..backend.aws.image_sharing import Behind
    from ..backend.aws.machine_images import MachineImage
    from ..backend.baking.record import BuildFolder
    from ..backend.errors import CloudrenderError
    from ..backend.farms.check import CheckResult
    from ..backend.farms.quotes import Quote
    from ..backend.job import events as ev
    from ..backend.job.folder import JobFolder
    from ..backend.job.progress import Progress
    from ..backend.job.spec import JobSpec
    from ..backend.job.summary import JobSummary
    from ..backend.job.timing import MachineTiming
    from ..backend.snapshot_check import SnapshotCheck

IMAGE_WORK, IMAGE_LIST = "image", "images"
"""In `Session.busy` while a machine is at work for an image or AWS copies one, and while images are listed."""


def deleting(image_id: str) -> str:
    """Return what is in `Session.busy` while that image is deleted."""
    return f"delete {image_id}"


@dataclass(kw_only=True)
class DrivenJob:
    """A job that this Blender drives, or drove: it stays here with its end until the user dismisses it.

    `saved` are the files of the frames that arrived while this Blender looked on. `shown`: each is put on the screen as
    it comes; not those of a job that was picked up at the start, for which nobody asked just now.
    """

    folder: JobFolder
    spec: JobSpec
    progress: Progress
    cancel: CancelToken
    shown: bool = True
    events: SimpleQueue[ev.Event] = field(default_factory=SimpleQueue)
    thread: threading.Thread | None = None
    ended: ev.JobEnded | None = None
    notices: list[str] = field(default_factory=list)
    saved: dict[int, tuple[Path, ...]] = field(default_factory=dict)
    timed: dict[tuple[str, float], MachineTiming] = field(default_factory=dict)
    """How far its machines have come on their way to a first frame, by their keys."""
    on_screen: int | None = None
    shown_at: float = 0.0
    """The frame that was put on the screen last, and when; monotonic."""

    @property
    def cancelling(self) -> bool:
        """Whether its end was asked for and has not come yet."""
        return self.ended is None and self.cancel.noted is Wish.CANCEL


@dataclass(kw_only=True)
class Checking:
    """A check under way. `doing` is what it is at; `over` is set when nothing of it runs any more."""

    cancel: CancelToken = field(default_factory=CancelToken)
    over: threading.Event = field(default_factory=threading.Event)
    doing: str = "Saving a copy"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of the last check: the `result` and what else the panel tells, or the `error` that ended it."""

    blend: str
    result: SnapshotCheck | None = None
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: CloudrenderError | None = None


@dataclass(kw_only=True)
class Baking:
    """What is done for a machine image, and since when (epoch seconds) it is at what. `over` is set when it has ended.

    `folder` is the record of what is rented, from before the launch on; its own thread sets it.
    """

    title: str
    began: float = field(default_factory=time.time)
    doing: str = "Asking Amazon"
    since: float = field(default_factory=time.time)
    cancel: CancelToken = field(default_factory=CancelToken)
    over: threading.Event = field(default_factory=threading.Event)
    folder: BuildFolder | None = None


@dataclass(frozen=True, kw_only=True)
class Baked:
    """How that ended, in words. `image` is a new one, which may have taken the place of others."""

    title: str
    lines: tuple[str, ...]
    hint: str = ""
    details: tuple[str, ...] = ()
    failed: bool = False
    image: MachineImage | None = None


@dataclass
class Session:
    """See the module. `current` is the job that the main row of the panel is about."""

    driven: dict[str, DrivenJob] = field(default_factory=dict)
    current: str | None = None
    summaries: tuple[JobSummary, ...] = ()
    quotes: dict[str, Quote] = field(default_factory=dict)
    quotes_error: str = ""
    profiles_problem: str = ""
    checks: tuple[CheckResult, ...] = ()
    checking: Checking | None = None
    checked: Checked | None = None
    """Check Snapshot, under way and as it ended last."""
    images: tuple[MachineImage, ...] | None = None
    """The machine images of the account as they were listed last, None before."""
    behind: dict[str, Behind] = field(default_factory=dict)
    """What is behind them, by their ids, as far as it was told."""
    baking: Baking | None = None
    baked: Baked | None = None
    """What is done on a machine for an image, and how that ended last."""
    busy: frozenset[str] = frozenset()
    inbox: SimpleQueue[Callable[[], None]] = field(default_factory=SimpleQueue)
    """What background work wants done on the main thread."""
    command: Any = None
    """Blender's handle of the registered command."""
    dialog: Any = None
    """The region of the open dialog: nothing but this makes Blender draw it again while the mouse is still."""
    drawn: float = 0.0
    modal_beat: float = 0.0
    modal_after: float = 0.0
    """When the screen was last told to redraw, the modal operator last ticked and may start again; monotonic."""

    @property
    def job(self) -> DrivenJob | None:
        """The current job, running or ended."""
        return self.driven.get(self.current) if self.current else None

    @property
    def running(self) -> tuple[DrivenJob, ...]:
        """The jobs that have not ended."""
        return tuple(job for job in self.driven.values() if job.ended is None)


SESSION = Session()
