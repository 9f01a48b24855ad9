# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive one job from wherever its record says it stands to its end.

A job is *the frames that are still missing*. Interruption, crash of this process, a broken link and a second start
are one mechanism: look what is missing, use the machine the record names or rent one, go on.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cloudrender_addon.backend.assets.project import Bundle
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import (
    Cancelled,
    CleanupError,
    CloudrenderError,
    LinkError,
    MachineGoneError,
    RecordError,
    RenderError,
)
from cloudrender_addon.backend.farms.base import Farm, Link, Machine, MachineRequest, RenderPlan
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.collect import Collector
from cloudrender_addon.backend.job.cost import machine_cost
from cloudrender_addon.backend.job.follow import Follower
from cloudrender_addon.backend.job.frames import format_frames
from cloudrender_addon.backend.job.record import JobFolder
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.status import Status

_MAX_LAUNCHES = 4
"""One machine and three replacements; a type reclaimed more often than that is not worth waiting for."""

_UNREACHABLE_SECONDS = 180.0
"""How long a machine that the cloud calls running may not answer before it is given up and replaced."""

_log = logging.getLogger(__name__)


class JobRunner:
    """Runs one job on the calling thread; the caller holds the folder's lock.

    `bundle` makes the project's bundle; it is asked only when the project has to be sent.
    """

    def __init__(
        self,
        folder: JobFolder,
        *,
        farm: Farm,
        bundle: Callable[[], Bundle],
        report: ev.Reporter,
        cancel: CancelToken,
    ) -> None:
        self._folder = folder
        self._record = folder.load()
        self._farm = farm
        self._bundle = functools.cache(bundle)
        self._report = report
        self._cancel = cancel
        self._collector = Collector(folder, frames=self._spec.frames, output=self._spec.output)
        self._phases: dict[Status, float] = {}
        self._entered = (Status.PENDING, time.monotonic())

    @property
    def _spec(self) -> JobSpec:
        return self._record.spec

    @property
    def total(self) -> int:
        """How many frames the job has."""
        return len(self._spec.frames)

    @property
    def done(self) -> int:
        """How many of them are safely here."""
        return len(self._collector.saved)

    def run(self) -> ev.JobEnded:
        """Render what is missing, end every machine, close the record. Never raises; reports one `JobEnded`."""
        try:
            ended = self._end(self._attempt())
        except Exception as bug:  # noqa: BLE001  the thread's top: becomes the terminal event
            _log.exception("the ending failed")
            machine = self._record.machine
            resources = (machine.instance_id or machine.request.token,) if machine else ()
            ended = self._ended(Status.CLEANING_UP, CleanupError(self._explain(bug), resources=resources))
        self._report(ended)
        return ended

    def _attempt(self) -> CloudrenderError | None:
        try:
            self._render_missing()
            self._raise_failed_frames()
        except Cancelled as cancelled:
            self._enter(Status.CANCELLING)
            return cancelled
        except CloudrenderError as failure:
            _log.info("the job failed", exc_info=True)
            return failure
        except Exception as bug:  # noqa: BLE001  likewise
            _log.exception("unexpected error")
            return CloudrenderError(self._explain(bug), hint=f"Please report it with the log: {self._folder.log}")
        return None

    def _explain(self, bug: Exception) -> str:
        return f"An unexpected error stopped the job: {type(bug).__name__}: {bug}"

    # -- rendering ---------------------------------------------------------------------------------------

    def _missing(self) -> tuple[int, ...]:
        settled = self._collector.saved.keys() | self._record.failed_frames.keys()
        return tuple(frame for frame in self._spec.frames if frame not in settled)

    def _render_missing(self) -> None:
        while self._missing():
            self._cancel.check()
            self._seconds_left()
            try:
                self._work_on(self._machine_at_hand() or self._rent())
                if self._missing():
                    raise MachineGoneError("The machine finished, but not all of its frames are here")
            except MachineGoneError as gone:
                self._recover(gone)

    def _machine_at_hand(self) -> Machine | None:
        """Return the machine the record names, if it is certain that it was launched."""
        machine = self._record.machine
        if machine is not None and machine.instance_id is None:
            # The launch was under way when its client died. The farm finds the machine by its token, if there is one.
            self._release()
            return None
        return machine

    def _rent(self) -> Machine:
        self._enter(Status.PACKING)
        bundle = self._bundle()
        self._enter(Status.PROVISIONING)
        machine = self._farm.plan(
            MachineRequest(
                job_id=self._spec.job_id,
                token=f"cloudrender-{self._spec.job_id}-{secrets.token_hex(4)}",
                instance_type=self._spec.settings.instance_type,
                disk_bytes=bundle.total_bytes,
                lifetime_seconds=int(self._seconds_left()),
                lease_seconds=int(self._spec.settings.lease_minutes * 60),
            )
        )
        self._report(ev.MachinePlanned(at=time.time(), machine=machine))
        self._cancel.check()
        # Written before the launch: whatever happens from here on, the next start knows what to look for.
        self._save(machine=machine, launches=self._record.launches + 1)
        machine = self._farm.launch(machine)
        self._save(machine=machine)
        self._report(ev.MachineLaunched(at=time.time(), machine=machine))
        return machine

    def _work_on(self, machine: Machine) -> None:
        """Keep a link to the machine's agent until the agent has finished.

        Raises `MachineGoneError` when the machine is lost, `LinkError` when it never answered at all.
        """
        self._enter(Status.BOOTING)
        machine, link = self._farm.connect(
            machine, cancel=self._cancel, deadline=time.monotonic() + self._spec.settings.boot_minutes * 60
        )
        self._save(machine=machine)
        while True:
            try:
                with contextlib.closing(link):
                    self._converse(machine, link)
                return
            except LinkError as lost:
                link = self._reconnect(machine, lost)

    def _reconnect(self, machine: Machine, lost: LinkError) -> Link:
        self._enter(Status.RECOVERING)
        self._notice(f"{lost.message}; connecting again")
        deadline = time.monotonic() + _UNREACHABLE_SECONDS
        try:
            return self._farm.connect(machine, cancel=self._cancel, deadline=deadline)[1]
        except LinkError as error:
            raise MachineGoneError("The machine does not answer any more") from error

    def _converse(self, machine: Machine, link: Link) -> None:
        self._enter(Status.UPLOADING)
        bundle = self._bundle()
        link.push(
            bundle,
            on_sent=lambda sent: self._report(ev.BytesSent(at=time.time(), sent=sent, total=bundle.total_bytes)),
            cancel=self._cancel,
        )
        link.start(self._plan(machine))
        self._enter(Status.RENDERING)
        follower = Follower(collector=self._collector, report=self._report, set_aside=self._set_aside)
        follower.follow(link, check=self._seconds_left, cancel=self._cancel)
        link.finish()

    def _plan(self, machine: Machine) -> RenderPlan:
        return RenderPlan(
            job_id=self._spec.job_id,
            blend=self._spec.blend,
            frames=self._missing(),
            blender=self._spec.blender,
            mirror=self._spec.settings.mirror,
            gpu=machine.gpu is not None,
            autoexec=self._spec.autoexec,
        )

    def _seconds_left(self) -> float:
        hours = self._spec.settings.max_hours
        left: float = self._record.started + hours * 3600 - time.time()
        if left <= 0:
            raise RenderError(
                f"The job reached its time limit of {hours:g} h",
                hint="The finished frames are kept; allow more time with --max-hours",
            )
        return left

    def _set_aside(self, frame: int, reason: str) -> None:
        self._save(failed_frames={**self._record.failed_frames, frame: reason})

    def _raise_failed_frames(self) -> None:
        if failed := self._record.failed_frames:
            raise RenderError(
                f"{len(failed)} of {len(self._spec.frames)} frames could not be rendered: {format_frames(failed)}",
                hint="Render one of them in Blender on this computer to see why",
                details=tuple(f"Frame {n}: {line}" for n, text in sorted(failed.items()) for line in text.splitlines()),
            )

    # -- endings -------------------------------------------------------------------------------------------

    def _recover(self, gone: MachineGoneError) -> None:
        self._enter(Status.RECOVERING)
        self._report(ev.Interrupted(at=time.time(), reason=gone.message, missing=len(self._missing())))
        self._release()
        if self._record.launches >= _MAX_LAUNCHES:
            raise MachineGoneError(
                f"{gone.message}; that was machine {self._record.launches} of this job, and no further one is tried",
                hint=f"Choose another type with -c, or go on with: cloudrender attach {self._spec.job_id}",
            ) from gone

    def _release(self) -> None:
        """End the machine the record names and see it gone. Raises `CleanupError`."""
        machine = self._record.machine
        if machine is None:
            return
        try:
            self._farm.release(machine)
        except CleanupError:
            raise
        except CloudrenderError as error:
            raise CleanupError(
                f"It is not certain that everything was ended: {error.message}",
                resources=(machine.instance_id or machine.request.token,),
                hint=error.hint,
            ) from error
        spent = self._record.spent_usd + machine_cost(machine, until=time.time())
        self._save(machine=None, spent_usd=spent)
        self._report(ev.MachineReleased(at=time.time(), machine=machine))

    def _end(self, error: CloudrenderError | None) -> ev.JobEnded:
        self._enter(Status.CLEANING_UP)
        status = _ending(error)
        try:
            self._release()
        except CleanupError as unclean:
            status, error = Status.CLEANING_UP, unclean
        except RecordError as unwritten:
            status, error = Status.FAILED, error or unwritten
        self._enter(status)
        self._note(
            ended=time.time() if status.terminal else None,
            error=error.message if error else "",
            hint=error.hint if error else "",
        )
        self._folder.clear_cancel()
        return self._ended(status, error)

    def _ended(self, status: Status, error: CloudrenderError | None) -> ev.JobEnded:
        return ev.JobEnded(
            at=time.time(),
            status=status,
            error=error,
            frames=tuple(sorted(self._collector.saved)),
            missing=tuple(f for f in self._spec.frames if f not in self._collector.saved),
            cost_usd=self._record.spent_usd,
            phases=dict(self._phases),
        )

    # -- bookkeeping ---------------------------------------------------------------------------------------

    def _enter(self, status: Status) -> None:
        previous, since = self._entered
        if status is previous:
            return
        now = time.monotonic()
        self._phases[previous] = self._phases.get(previous, 0.0) + now - since
        self._entered = (status, now)
        self._note(status=status)
        self._report(ev.StatusChanged(at=time.time(), status=status))

    def _notice(self, text: str) -> None:
        self._report(ev.Notice(at=time.time(), text=text))

    def _save(self, **changes: Any) -> None:
        """Change the record, on disk when this returns. Raises `RecordError`."""
        self._record = replace(self._record, **changes)
        self._folder.save(self._record)

    def _note(self, **changes: Any) -> None:
        """Change the record where a full disk must not stop the job, least of all its clean-up."""
        try:
            self._save(**changes)
        except RecordError:
            _log.warning("the record could not be written", exc_info=True)


def _ending(error: CloudrenderError | None) -> Status:
    if error is None:
        return Status.SUCCEEDED
    return Status.CANCELLED if isinstance(error, Cancelled) else Status.FAILED
