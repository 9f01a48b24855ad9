# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive one job from wherever its record says it stands to its end.

A job is *the frames that are still missing*. Interruption, crash of this process, a broken link and a second start
are one mechanism: look what is missing, use the machine the record names or rent one, go on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..assets.bundle import Bundle
from ..assets.hash_cache import HashCache
from ..cancel import CancelToken, Wish
from ..clock import now
from ..errors import (
    Cancelled,
    CleanupError,
    CloudrenderError,
    Detached,
    MachineGoneError,
    RecordError,
    RenderError,
)
from ..farms.base import Farm, Machine
from . import events as ev
from .cost import cost_per_frame, machine_cost
from .folder import JobFolder
from .frames import format_frames
from .keeping import Keeping
from .ledger import Ledger
from .packing import Packing
from .progress import Progress
from .renting import Renting
from .status import Status
from .stopwatch import Stopwatch
from .taking_over import TakingOver
from .tending import Tending

_log = logging.getLogger(__name__)


class JobRunner:
    """Runs one job on the calling thread; the caller holds the folder's lock.

    `bundle` reads the project's folder; it is asked whenever the project has to be sent to another machine.
    """

    def __init__(
        self, folder: JobFolder, *, farm: Farm, bundle: Callable[[], Bundle], report: ev.Reporter, cancel: CancelToken
    ) -> None:
        self._folder = folder
        self._farm = farm
        self._cancel = cancel
        self._ledger = Ledger(folder, Stopwatch(folder, report))
        self._packing = Packing(bundle, cache=HashCache(self._ledger.spec.settings.home / "hashes.sqlite"))
        self._keeping = Keeping(self._ledger, farm=farm, cancel=cancel)
        read = self._packing.read
        self._renting = Renting(self._ledger, farm=farm, bundle=read, cancel=cancel)
        self._taking_over = TakingOver(self._ledger, folder=folder, farm=farm, bundle=read, cancel=cancel)

    def progress(self) -> Progress:
        """Return where the job stands by its record: the start for folding the events of `run`."""
        record = self._ledger.record
        return Progress(
            total=len(record.spec.frames),
            started=time.time(),
            done=len(self._ledger.collector.saved),
            machine=record.machine,
            spent_usd=record.spent_usd,
        )

    def run(self) -> ev.JobEnded:
        """Render what is missing, end every machine, close the record; or leave all as it is, if asked to.

        A job whose machine is kept goes on with it if frames are missing; else, or if it is kept no longer, the machine
        is ended, and the record closed. Never raises; reports one `JobEnded`.
        """
        try:
            if self._ledger.record.status is Status.KEPT and not self._goes_on():
                ended = self._end(self._earlier_error())
            else:
                error = self._attempt()
                ended = self._leave(error) if isinstance(error, Detached) else self._keep(error) or self._end(error)
        except Exception as bug:  # noqa: BLE001  the thread's top: becomes the terminal event
            _log.exception("the ending failed")
            machine = self._ledger.record.machine
            resources = (machine.instance_id or machine.request.token,) if machine else ()
            ended = self._ended(Status.CLEANING_UP, CleanupError(_explain(bug), resources=resources))
        finally:
            self._packing.stop()
        self._ledger.report(ended)
        return ended

    def _attempt(self) -> CloudrenderError | None:
        try:
            if self._ledger.record.status is Status.KEPT:
                self._begin_again()
            self._render_missing()
            self._raise_failed_frames()
        except Cancelled as cancelled:
            self._ledger.enter(Status.CANCELLING)
            return cancelled
        except Detached as detached:
            return detached
        except CloudrenderError as failure:
            _log.info("the job failed", exc_info=True)
            return failure
        except Exception as bug:  # noqa: BLE001  likewise
            _log.exception("unexpected error")
            return CloudrenderError(_explain(bug), hint=f"Please report it with the log: {self._folder.log}")
        return None

    # -- rendering ---------------------------------------------------------------------------------------

    def _render_missing(self) -> None:
        tending = Tending(self._ledger, farm=self._farm, packing=self._packing, cancel=self._cancel)
        while self._ledger.missing():
            self._cancel.check()
            try:
                tending.tend(self._machine())
                if self._ledger.missing():
                    raise MachineGoneError("The machine finished, but not all of its frames are here")
            except MachineGoneError as gone:
                self._recover(gone)

    def _goes_on(self) -> bool:
        """Tell whether there is something left to do for the machine that was kept, and somebody who wants that."""
        record = self._ledger.record
        kept = record.kept_until is not None and now() < record.kept_until
        complete = self._ledger.collector.saved.keys() >= {*record.spec.frames}
        return kept and not complete and self._cancel.wish is not Wish.CANCEL

    def _begin_again(self) -> None:
        """Begin with what is missing: on the machine that was kept, or on another if that will not do."""
        if self._taking_over.take_back() is None:
            self._renting.release()
            self._ledger.put(self._ledger.record.anew(now()))

    def _machine(self) -> Machine:
        if machine := self._renting.machine_at_hand():
            kept_by, _ = self._ledger.record.taken.get(machine.request.token, ("", 0.0))
            self._ledger.report(ev.MachineResumed(at=time.time(), machine=machine, kept_by=kept_by))
            return machine
        return self._taking_over.take() or self._renting.rent()

    def _raise_failed_frames(self) -> None:
        if failed := self._ledger.record.failed_frames:
            raise RenderError(
                f"{len(failed)} of {len(self._ledger.spec.frames)} frames could not be rendered: "
                f"{format_frames(failed)}",
                hint="Render one of them in Blender on this computer to see why",
                details=tuple(f"Frame {n}: {line}" for n, text in sorted(failed.items()) for line in text.splitlines()),
            )

    # -- endings -------------------------------------------------------------------------------------------

    def _recover(self, gone: MachineGoneError) -> None:
        ledger = self._ledger
        ledger.enter(Status.RECOVERING)
        ledger.report(ev.Interrupted(at=time.time(), reason=gone.message, missing=len(ledger.missing())))
        machine = ledger.record.machine
        if gone.reclaimed and machine is not None and machine.zone:
            lost = (machine.offer.instance_type, machine.zone)
            ledger.save(reclaimed=(*(each for each in ledger.record.reclaimed if each != lost), lost))
        self._renting.release()
        if ledger.record.launches >= ledger.spec.settings.max_launches:
            raise MachineGoneError(
                f"{gone.message}; that was machine {ledger.record.launches} of this job, and no further one is tried",
                hint="Resume the job for the missing frames, or allow more machines (max launches) or other types",
                details=gone.details,
            ) from gone

    def _leave(self, error: Detached) -> ev.JobEnded:
        _log.info("letting go of the job")
        self._folder.answer()
        return self._ended(self._ledger.record.status, error)

    def _keep(self, error: CloudrenderError | None) -> ev.JobEnded | None:
        """Leave the machine up for a while, if that was asked for and can be; None if the job has to be ended."""
        kept = self._keeping.keep(error)
        if kept is None:
            return None
        self._note_error(error)
        self._folder.answer()
        return self._ended(_ending(error), error, kept=kept)

    def _earlier_error(self) -> CloudrenderError | None:
        """Return how the job had failed when its machine was kept."""
        record = self._ledger.record
        return CloudrenderError(record.error, hint=record.hint) if record.error else None

    def _end(self, error: CloudrenderError | None) -> ev.JobEnded:
        self._ledger.enter(Status.CLEANING_UP)
        status = _ending(error)
        try:
            self._renting.release()
            self._folder.forget_keys()
        except CleanupError as unclean:
            status, error = Status.CLEANING_UP, unclean
        except RecordError as unwritten:
            status, error = Status.FAILED, error or unwritten
        self._ledger.enter(status)
        self._note_error(error, ended=now() if status.terminal else None)
        self._folder.answer()
        return self._ended(status, error)

    def _note_error(self, error: CloudrenderError | None, *, ended: float | None = None) -> None:
        self._ledger.note(ended=ended, error=error.message if error else "", hint=error.hint if error else "")

    def _ended(
        self, status: Status, error: CloudrenderError | None, *, kept: ev.KeptMachine | None = None
    ) -> ev.JobEnded:
        saved, record = self._ledger.collector.saved, self._ledger.record
        spent = record.spent_usd + (machine_cost(kept.machine, until=now()) if kept else 0.0)
        return ev.JobEnded(
            at=time.time(),
            status=status,
            error=error,
            frames=tuple(sorted(saved)),
            missing=tuple(f for f in self._ledger.spec.frames if f not in saved),
            cost_usd=spent,
            cost_per_frame_usd=cost_per_frame(spent, frames=len(self._folder.brought())),
            phases=dict(self._ledger.phases),
            kept=kept,
        )


def _ending(error: CloudrenderError | None) -> Status:
    if error is None:
        return Status.SUCCEEDED
    return Status.CANCELLED if isinstance(error, Cancelled) else Status.FAILED


def _explain(bug: Exception) -> str:
    return f"An unexpected error stopped the job: {type(bug).__name__}: {bug}"
