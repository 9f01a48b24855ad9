# SPDX-License-Identifier: GPL-3.0-or-later
"""Take over the machine that a job of this computer has kept, this one or another, in place of renting one.

It is booted and has its Blender. The order makes every crash harmless: first the machine is asked whether it is free,
and emptied; it still ends itself when it was to. Then this job's record names it, in one write: now it is this job's.
Then the other job's record is closed (`handing_over.py`), and at last the machine is told that it may live longer
(`tending.py`).
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from ..assets.bundle import Bundle
from ..cancel import CancelToken, Wish
from ..clock import now
from ..errors import Cancelled, CloudrenderError, Detached, RecordError, RenderError
from ..farms.base import Farm, Machine
from ..settings import Settings
from . import events as ev
from .cost import machine_cost
from .folder import JobFolder
from .handing_over import load_settled
from .ledger import Ledger
from .limits import seconds_left
from .record import JobRecord
from .status import Status
from .store import JobStore

_LOOK_SECONDS = 2.0
"""Whoever lists the jobs holds the lock of each for a moment."""

_CONNECT_SECONDS = 30.0

_HAND_OVER_SECONDS = 60.0
"""So long a machine must still be kept: it could end itself while it is taken over."""

_WORTHWHILE_SECONDS = 300.0
"""With less left of its lifetime, it would soon have to be replaced."""

_log = logging.getLogger(__name__)


class TakingOver:
    """Finds a kept machine that suits a job, and makes it that job's."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        folder: JobFolder,
        farm: Farm,
        bundle: Callable[[], Bundle],
        cancel: CancelToken,
    ) -> None:
        self._ledger = ledger
        self._folder = folder
        self._farm = farm
        self._bundle = bundle
        self._cancel = cancel

    def take(self) -> Machine | None:
        """Return a machine that another job had kept, now this job's; None if there is none that suits and answers.

        Raises `ProjectError`, `RecordError`, `RenderError` (a limit is reached), `Cancelled`, `Detached`.
        """
        if self._ledger.spec.settings.fresh_machine:
            return None
        self._ledger.check_limits()
        for other in self._others():
            with contextlib.ExitStack() as held:
                try:
                    held.enter_context(other.lock(wait_seconds=_LOOK_SECONDS))
                    record = load_settled(other)
                except RecordError:  # somebody ends it just now, or it cannot be read
                    _log.info("job %s is not asked for its machine", other.job_id, exc_info=True)
                    continue
                if record.machine is None or other.wish() is not Wish.GO_ON or not self._suits(record):
                    continue
                if machine := self._take_from(other, record.machine):
                    return machine
        return None

    def take_back(self) -> Machine | None:
        """Return the machine that this job itself had kept, emptied, and begin its record anew; None if it will not do.

        Raises `ProjectError`, `RecordError`, `Cancelled`, `Detached`.
        """
        ledger, kept = self._ledger, self._ledger.record
        if kept.machine is None or not _lasts(kept):
            return None
        self._bundle()
        at = now()
        # What it has cost so far this job has paid, too.
        fresh = replace(kept.anew(at), launches=1, spent_usd=kept.spent_usd + machine_cost(kept.machine, until=at))
        try:
            if not _affordable(fresh, kept.machine):
                return None
            # By a name that no `begin` had before: one that has begun is not emptied.
            machine = self._empty(kept.machine, name=f"{ledger.spec.job_id}-{secrets.token_hex(4)}")
            machine = _let_live(fresh, machine, at=at)
            self._cancel.check()
        except CloudrenderError as problem:
            if isinstance(problem, Cancelled | Detached):
                raise
            ledger.say(f"The machine that was kept is not used: {_explained(problem)}")
            return None
        ledger.put(replace(fresh, machine=machine))
        ledger.report(ev.MachineTakenOver(at=time.time(), machine=machine, kept_by=ledger.spec.job_id))
        return machine

    def _others(self) -> list[JobFolder]:
        """Return the jobs that keep a machine: first those of the same project, the newest first."""
        spec, found = self._ledger.spec, []
        for folder in JobStore.around(self._folder).folders():
            with contextlib.suppress(RecordError):
                record = folder.load()
                if record.status is Status.KEPT and folder.job_id != spec.job_id:
                    found.append((record.spec.project == spec.project, folder.job_id, folder))
        return [folder for *_, folder in sorted(found, key=lambda each: each[:2], reverse=True)]

    def _suits(self, kept: JobRecord) -> bool:
        """Tell whether a kept machine is one that this job might have rented, and of use for long enough."""
        machine, settings, mine = kept.machine, self._ledger.spec.settings, self._ledger.record
        if machine is None or kept.kept_until is None or machine.request.token in mine.given:
            return False
        if kept.error:  # somebody may be looking for what went wrong, and it would be emptied
            return False
        how = "on-demand" if machine.request.on_demand else "spot"
        bought = settings.purchase in (how, "spot-then-on-demand")
        there = not settings.regions or machine.region in settings.regions
        if not (bought and there and machine.offer.instance_type in settings.instance_types):
            return False
        return _place(kept.spec.settings) == _place(settings) and _lasts(kept) and _affordable(mine, machine)

    def _take_from(self, other: JobFolder, machine: Machine) -> Machine | None:
        """Take over a machine, under the lock of the job that keeps it; None if that cannot be done."""
        ledger, token = self._ledger, machine.request.token
        ledger.enter(Status.PACKING)
        self._bundle()  # before anything is touched: a project that cannot be read is no reason to empty a machine
        ledger.enter(Status.PROVISIONING)
        try:
            self._farm.adopt(machine, keys=other.keys)
            machine = self._empty(machine, name=ledger.spec.job_id)
            at = now()
            machine = _let_live(ledger.record, machine, at=at)
            self._cancel.check()
        except CloudrenderError as problem:
            self._farm.disown(machine)
            if isinstance(problem, Cancelled | Detached):
                raise
            ledger.say(f"The machine kept by job {other.job_id} is not used: {_explained(problem)}")
            return None
        before = ledger.record
        try:
            ledger.save(machine=machine, taken={**before.taken, token: (other.job_id, at)})
        except RecordError:
            ledger.record = before  # or the end of this job would end the machine
            self._farm.disown(machine)
            raise
        try:
            load_settled(other)
        except RecordError:  # the next to look at that job will
            _log.warning("the record of job %s is not closed yet", other.job_id, exc_info=True)
        _log.info("took over %s from job %s", machine.instance_id, other.job_id)
        ledger.report(ev.MachineTakenOver(at=time.time(), machine=machine, kept_by=other.job_id))
        return machine

    def _empty(self, machine: Machine, *, name: str) -> Machine:
        """Make the machine ready for this job, if it answers and is idle; nothing if `name` has begun on it already."""
        deadline = time.monotonic() + _CONNECT_SECONDS
        machine, link = self._farm.connect(machine, cancel=self._cancel, deadline=deadline)
        with contextlib.closing(link):
            link.begin(name)
        return machine


def _lasts(kept: JobRecord) -> bool:
    """Tell whether the machine of a job is still kept for long enough to be taken over."""
    return kept.kept_until is not None and kept.kept_until - now() >= _HAND_OVER_SECONDS


def _affordable(record: JobRecord, machine: Machine) -> bool:
    """Tell whether a machine that is kept may live for long enough, by its lifetime and by the limits of this job."""
    freed = replace(machine, paid_from=now(), ends_at=None)
    try:
        left = seconds_left(replace(record, machine=freed))
    except RenderError:
        return False
    return left >= _HAND_OVER_SECONDS and (freed.end or 0.0) - now() >= _WORTHWHILE_SECONDS


def _let_live(record: JobRecord, machine: Machine, *, at: float) -> Machine:
    """Return the machine as the job of this record has it from then on. Raises `RenderError`."""
    freed = replace(machine, paid_from=at, ends_at=None)
    return replace(freed, ends_at=at + seconds_left(replace(record, machine=freed)))


def _explained(problem: CloudrenderError) -> str:
    return f"{problem.message} ({problem.details[-1]})" if problem.details else problem.message


def _place(settings: Settings) -> tuple[object, ...]:
    """Return what else decides where a machine stands, and what it boots."""
    return (
        settings.profile,
        settings.image,
        settings.subnet,
        settings.security_group,
        settings.ssh_user,
        settings.ssh_port,
    )
