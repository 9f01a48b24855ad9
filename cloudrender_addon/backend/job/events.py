# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job tells whoever watches: frozen events, and the Reporter that receives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..assets.trace_result import LeftOut, MissingFile
from ..errors import CloudrenderError
from ..farms.base import Machine
from .status import Status
from .timing import MachineTiming


@dataclass(frozen=True, kw_only=True)
class Event:
    """Anything that happened to a job. `at` is epoch seconds."""

    at: float


@dataclass(frozen=True, kw_only=True)
class StatusChanged(Event):
    status: Status


@dataclass(frozen=True, kw_only=True)
class FilesTraced(Event):
    """It is known which files are sent: so many, so many bytes, those `outside` not from the project's folder.

    The others are as in `Traced`. Nothing is rented yet; whether to go on may be asked.
    """

    files: int
    size: int
    outside: tuple[Path, ...] = ()
    missing: tuple[MissingFile, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MachinePlanned(Event):
    """Type, image and price are known; nothing is rented yet."""

    machine: Machine


@dataclass(frozen=True, kw_only=True)
class MachineLaunched(Event):
    """Money is being spent from now on."""

    machine: Machine


@dataclass(frozen=True, kw_only=True)
class MachineTakenOver(Event):
    """A machine that the job `kept_by` had kept is this job's, and paid by it, from now on."""

    machine: Machine
    kept_by: str


@dataclass(frozen=True, kw_only=True)
class MachineResumed(Event):
    """This client goes on with the machine that one before it had got for the job; see `MachineTakenOver`."""

    machine: Machine
    kept_by: str = ""


@dataclass(frozen=True, kw_only=True)
class MachineReleased(Event):
    """The machine was seen gone."""

    machine: Machine


@dataclass(frozen=True, kw_only=True)
class StepTaken(Event):
    """The machine is on its way to a first frame: for the `Stopwatch`, which makes `MachineTimed` of it.

    `step` is one of `timing.STEPS`, `moment` is by `clock.now`; `blender_from` (see `MachineTiming`) comes with the
    step "blender".
    """

    step: str
    moment: float
    blender_from: str = ""


@dataclass(frozen=True, kw_only=True)
class MachineTimed(Event):
    """A machine has taken a further step to its first frame: with all that is known of it so far."""

    timing: MachineTiming


@dataclass(frozen=True, kw_only=True)
class BytesSent(Event):
    sent: int
    total: int


@dataclass(frozen=True, kw_only=True)
class FrameSaved(Event):
    """A frame is verified on this computer's disk. `seconds` is its render time on the machine, `size` its bytes."""

    frame: int
    paths: tuple[Path, ...]
    seconds: float
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class FrameFailed(Event):
    frame: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Interrupted(Event):
    """The machine is being taken away, or was; `missing` frames will be rendered on another one."""

    reason: str
    missing: int


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """Something the user should know; never a question, never an error.

    With `about_frames` it tells why the frames may look unexpected, and is worth being said again when they are here.
    """

    text: str
    about_frames: bool = False


@dataclass(frozen=True, kw_only=True)
class KeptMachine:
    """A machine that stays up after its job, until `until` (epoch seconds). `login` is what to type into a shell."""

    machine: Machine
    until: float
    login: str


@dataclass(frozen=True, kw_only=True)
class JobEnded(Event):
    """The one terminal event. `error` is None exactly when `status` is SUCCEEDED.

    `cost_usd` is that of all runs and machines of the job, `cost_per_frame_usd` the same by the frames they brought;
    data out is in neither.

    A `Detached` error means that only this driver has ended: the job goes on, with the status it had.

    When `status` is CLEANING_UP, the clean-up itself failed: `error` names what may still cost money, and the
    record stays open for the next start. So it does while a machine is `kept`: `status` is how the job ended.
    """

    status: Status
    error: CloudrenderError | None
    frames: tuple[int, ...]
    missing: tuple[int, ...]
    cost_usd: float
    cost_per_frame_usd: float | None = None
    phases: dict[Status, float] = field(default_factory=dict)
    """Seconds spent in each status, in order of first entry."""
    kept: KeptMachine | None = None


class Reporter(Protocol):
    """Receives a job's events in order, on the job's thread. Exactly one `JobEnded` per run, as the last one.

    An implementation must return quickly and not raise: put the event on a queue and drain it elsewhere.
    """

    def __call__(self, event: Event, /) -> None: ...
