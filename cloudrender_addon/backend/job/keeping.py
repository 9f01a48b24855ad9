# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a job's machine for a while after the job has ended, so that somebody can look at it."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

from ..cancel import CancelToken
from ..clock import now
from ..errors import Cancelled, CleanupError, CloudrenderError
from ..farms.base import Farm
from . import events as ev
from .ledger import Ledger
from .status import Status

_CONNECT_SECONDS = 30.0


class Keeping:
    """Keeps the machine that a job ends with, if the job's settings say so."""

    def __init__(self, ledger: Ledger, *, farm: Farm, cancel: CancelToken) -> None:
        self._ledger = ledger
        self._farm = farm
        self._cancel = cancel

    def keep(self, error: CloudrenderError | None) -> ev.KeptMachine | None:
        """Tell the machine to end itself later, and enter `Status.KEPT`; None if it is to be ended now.

        A cancelled job's machine is not kept, nor one that does not answer. The machine's own limit always holds: what
        was to be its lifetime is only ever shortened.
        """
        machine, minutes = self._ledger.record.machine, self._ledger.spec.settings.keep_minutes
        unkept = minutes <= 0 or isinstance(error, Cancelled | CleanupError)
        if unkept or machine is None or machine.launched_at is None:
            return None
        try:
            deadline = time.monotonic() + _CONNECT_SECONDS
            machine, link = self._farm.connect(machine, cancel=self._cancel, deadline=deadline)
            with contextlib.closing(link):
                seconds = int(min(minutes * 60, (machine.end or 0.0) - now()))
                if seconds <= 0:
                    return None
                link.keep(seconds)
            login = self._farm.login(machine)
            # It will not live longer than that: so it is reckoned, whenever somebody looks.
            machine = replace(machine, ends_at=now() + seconds)
            self._ledger.save(machine=machine)
        except CloudrenderError as problem:
            self._ledger.say(f"The machine is not kept: {problem.message}")
            return None
        self._ledger.enter(Status.KEPT)
        return ev.KeptMachine(machine=machine, until=now() + seconds, login=login)
