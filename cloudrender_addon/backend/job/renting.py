# SPDX-License-Identifier: GPL-3.0-or-later
"""Rent a machine for a job and end it, so that the record knows of it from before the launch until it is seen gone."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from ..assets.bundle import Bundle
from ..cancel import CancelToken
from ..errors import CapacityError, CleanupError, CloudrenderError
from ..farms.base import Farm, Machine, MachineRequest
from . import events as ev
from .cost import machine_cost
from .ledger import Ledger
from .limits import lifetime, seconds_left
from .status import Status

_log = logging.getLogger(__name__)


class Renting:
    """Rents and releases the one machine that a job has at a time."""

    def __init__(self, ledger: Ledger, *, farm: Farm, bundle: Callable[[], Bundle], cancel: CancelToken) -> None:
        self._ledger = ledger
        self._farm = farm
        self._bundle = bundle
        self._cancel = cancel

    def machine_at_hand(self) -> Machine | None:
        """Return the machine the record names, if it is certain that it was launched."""
        machine = self._ledger.record.machine
        if machine is not None and machine.instance_id is None:
            # The launch was under way when its client died. The farm finds the machine by its token, if there is one.
            self.release()
            return None
        return machine

    def rent(self) -> Machine:
        """Return a new machine, bought as the settings say. Raises `CloudError` and its kinds, `RenderError`."""
        self._ledger.enter(Status.PACKING)
        disk_bytes = self._bundle().total_bytes
        self._ledger.enter(Status.PROVISIONING)
        purchase = self._ledger.spec.settings.purchase
        try:
            return self._launch(disk_bytes, on_demand=purchase == "on-demand")
        except CapacityError as none:
            if purchase != "spot-then-on-demand":
                raise
            self._ledger.say(f"{none.message}: renting an on-demand machine instead")
            self.release()
            return self._launch(disk_bytes, on_demand=True)

    def _launch(self, disk_bytes: int, *, on_demand: bool) -> Machine:
        ledger = self._ledger
        settings = ledger.spec.settings
        request = MachineRequest(
            job_id=ledger.spec.job_id,
            token=f"{ledger.spec.job_id}-{secrets.token_hex(4)}",
            instance_type=settings.instance_type,
            disk_bytes=disk_bytes,
            lifetime_seconds=max(int(seconds_left(ledger.record)), 1),
            lease_seconds=max(int(settings.lease_minutes * 60), 1),
            on_demand=on_demand,
        )
        machine = self._farm.plan(request)
        # What it costs is known only now, and with that how long it may live.
        machine = replace(machine, request=replace(request, lifetime_seconds=lifetime(ledger.record, machine)))
        ledger.report(ev.MachinePlanned(at=time.time(), machine=machine))
        self._cancel.check()
        # Written before the launch: whatever happens from here on, the next start knows what to look for.
        ledger.save(machine=machine, launches=ledger.record.launches + 1)
        machine = self._farm.launch(machine)
        ledger.save(machine=machine)
        _log.info("launched %s in %s", machine.instance_id, machine.zone)
        ledger.report(ev.MachineLaunched(at=time.time(), machine=machine))
        return machine

    def release(self) -> None:
        """End the machine the record names and see it gone. Raises `CleanupError`, `RecordError`."""
        ledger = self._ledger
        machine = ledger.record.machine
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
        spent = ledger.record.spent_usd + machine_cost(machine, until=time.time())
        ledger.save(machine=None, spent_usd=spent)
        ledger.report(ev.MachineReleased(at=time.time(), machine=machine))
