# SPDX-License-Identifier: GPL-3.0-or-later
"""Rent a machine for a job and end it, so that the record knows of it from before the launch until it is seen gone.

Where there is none to be had, as the user allows: the next region on the list, on-demand, later again.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from ..assets.bundle import Bundle
from ..cancel import CancelToken
from ..clock import now
from ..errors import (
    AccountError,
    CapacityError,
    CleanupError,
    CloudError,
    CloudrenderError,
    ConfigError,
    ImageError,
    QuotaError,
    RenderError,
    UnreachableError,
)
from ..farms.base import Farm, Machine, MachineRequest, Offer
from . import events as ev
from .cost import machine_cost
from .ledger import Ledger
from .limits import affordable, seconds_left
from .status import Status
from .words import format_seconds

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 15.0, 120.0, 1.6
"""Seconds between two rounds of asking for a machine: capacity comes back by the minute."""

_NOT_HERE = (CapacityError, QuotaError, ConfigError, ImageError, AccountError, UnreachableError, RenderError)
"""What keeps a job out of one region and need not keep it out of the next. `RenderError`: it is too dear there."""

_log = logging.getLogger(__name__)


class Renting:
    """Rents and releases the one machine that a job has at a time."""

    def __init__(self, ledger: Ledger, *, farm: Farm, bundle: Callable[[], Bundle], cancel: CancelToken) -> None:
        self._ledger = ledger
        self._farm = farm
        self._bundle = bundle
        self._cancel = cancel
        self._said: set[str] = set()

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
        ledger = self._ledger
        ledger.enter(Status.PACKING)
        disk_bytes = self._bundle().total_bytes
        ledger.enter(Status.PROVISIONING)
        deadline = time.monotonic() + ledger.spec.settings.wait_minutes * 60
        pause = _FIRST_PAUSE
        while True:
            try:
                self.release()  # what an earlier round left: an answer that was lost may have been a machine
                return self._ask_everywhere(disk_bytes)
            except (CapacityError, UnreachableError, CleanupError) as none:
                left = deadline - time.monotonic()
                if left <= 0 or not self._may_pass(none):
                    raise
                ledger.say(f"{none.message}; asking again for up to {format_seconds(left)}")
                self._cancel.sleep(min(pause, left))
                pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    def _may_pass(self, error: CloudError) -> bool:
        """Tell whether waiting may help. Never is another machine asked for before the last try is released."""
        if isinstance(error, CleanupError):
            return isinstance(error.__cause__, UnreachableError)
        # Who cannot reach the cloud at the very start wants to know it now; later on there is work to save.
        if isinstance(error, UnreachableError):
            return self._ledger.record.launches > 0
        return error.retryable

    def _ask_everywhere(self, disk_bytes: int) -> Machine:
        """Ask once for all that the user allows: spot in each region in turn, then on-demand; or the other way round.

        Raises what was answered first of what may pass, or else what was answered first.
        """
        self._ledger.check_limits()
        regions = self._ledger.spec.settings.regions or (None,)
        refused: list[CloudError | ConfigError | RenderError] = []
        for on_demand in self._purchases():
            if refused:
                other = "an on-demand" if on_demand else "a spot"
                self._ledger.say(f"{refused[-1].message}: renting {other} machine instead")
            for region in regions:
                try:
                    return self._launch(disk_bytes, region=region, on_demand=on_demand)
                except _NOT_HERE as error:
                    self.release()  # what was made for the launch; the machine it is for does not exist
                    if len(regions) > 1:
                        self._ledger.say(f"{region}: {error.message}")
                    refused.append(error)
        raise next((error for error in refused if error.retryable), refused[0])

    def _purchases(self) -> tuple[bool, ...]:
        """Return how to buy, on-demand or not, in order."""
        settings = self._ledger.spec.settings
        if settings.purchase != "spot-then-on-demand":
            return (settings.purchase == "on-demand",)
        # The last machine a job may have is one that is not taken back, if there is one (and the quota, and the money).
        last = self._ledger.record.launches + 1 >= settings.max_launches > 1
        return (True, False) if last else (False, True)

    def _launch(self, disk_bytes: int, *, region: str | None, on_demand: bool) -> Machine:
        ledger = self._ledger
        settings = ledger.spec.settings
        request = MachineRequest(
            job_id=ledger.spec.job_id,
            token=f"{ledger.spec.job_id}-{secrets.token_hex(4)}",
            instance_types=settings.instance_types,
            avoid=ledger.record.reclaimed,
            region=region,
            disk_bytes=disk_bytes,
            lifetime_seconds=max(int(seconds_left(ledger.record)), 1),
            lease_seconds=max(int(settings.lease_minutes * 60), 1),
            on_demand=on_demand,
            asked_at=now(),
            blender=ledger.spec.blender,
        )
        machine = self._farm.plan(request)
        # What the machines cost is known only now, and with that how long each may live.
        offers = affordable(ledger.record, machine.offers)
        purchase = "on-demand" if on_demand else "spot"
        self._say_left_out(request.instance_types, machine.offers, f"not sold as {purchase} in {machine.region}")
        self._say_left_out(
            [offer.instance_type for offer in machine.offers],
            offers,
            f"too dear in {machine.region} for the cost limit",
        )
        machine = replace(machine, offers=offers)
        ledger.report(ev.MachinePlanned(at=time.time(), machine=machine))
        self._cancel.check()
        # Written before the launch: whatever happens from here on, the next start knows what to look for.
        ledger.save(machine=machine)
        machine = self._farm.launch(machine)
        ledger.save(machine=machine, launches=ledger.record.launches + 1)
        _log.info("launched %s, a %s in %s", machine.instance_id, machine.offer.instance_type, machine.zone)
        ledger.report(ev.MachineLaunched(at=time.time(), machine=machine))
        return machine

    def _say_left_out(self, names: Iterable[str], offers: tuple[Offer, ...], why: str) -> None:
        """Say, once a job, which of the types that the user would take are not asked for."""
        left = [name for name in names if name not in {offer.instance_type for offer in offers}]
        text = f"Left out: {', '.join(left)} ({why})"
        if left and text not in self._said:
            self._said.add(text)
            self._ledger.say(text)

    def release(self) -> None:
        """End the machine the record names and see it gone. Raises `CleanupError`, `RecordError`."""
        ledger = self._ledger
        machine = ledger.record.machine
        if machine is None:
            return
        try:
            paid = self._farm.release(machine)
        except CleanupError:
            raise
        except CloudrenderError as error:
            raise CleanupError(
                f"It is not certain that everything was ended: {error.message}",
                resources=(machine.instance_id or machine.request.token,),
                hint=error.hint,
            ) from error
        # A machine whose launch was never answered, to a client that was killed meanwhile, was paid all the same.
        spent = ledger.record.spent_usd + sum(machine_cost(each, until=now()) for each in paid)
        ledger.save(machine=None, spent_usd=spent)
        ledger.report(ev.MachineReleased(at=time.time(), machine=machine))
