# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launch gave whose answer nobody heard, as the client was killed meanwhile: found by its tags, to be paid for.

No client ever spoke to such a machine. So it ended itself when its first lease was over, if not sooner.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ..aws import instances
from ..aws.instances import Instance
from ..aws.pace import paced
from ..aws.session import Account
from ..clock import now
from .base import Machine

_DESCRIBED_SECONDS = 3000.0
"""EC2 describes a machine for about an hour after its end (user guide, "Terminate Amazon EC2 instances")."""

_BOOT_AND_END_SECONDS = 300.0
"""How much longer than its lease it may live: until it runs from boot on, and for shutting down."""


def find_unheard(account: Account, machine: Machine, *, seconds: float) -> tuple[Machine, ...]:
    """Return what the launch of this machine gave, as `Farm.release` does: nothing if it gave none.

    EC2 is eventually consistent, so it looks for up to `seconds`. Whether there was one that ended long ago nobody
    can tell any more: it is counted, since a limit of cost is to hold. Raises `CloudError`.
    """
    request = machine.request
    for _ in paced(deadline=time.monotonic() + seconds, first=0.2, longest=1.0):
        if found := instances.find_launched(account, token=request.token, job_id=request.job_id):
            return tuple(_as_found(machine, each) for each in found)
    if request.asked_at is None or now() - request.asked_at < _DESCRIBED_SECONDS:
        return ()
    dearest = max(machine.offers, key=lambda offer: offer.hourly_usd)
    at = request.asked_at
    return (replace(machine, offers=(dearest,), launched_at=at, ends_at=at + _longest(machine)),)


def _as_found(machine: Machine, instance: Instance) -> Machine:
    offer = max(machine.offers, key=lambda each: (each.instance_type == instance.type, each.hourly_usd))
    offer = replace(offer, machine_usd=offer.zone_usd.get(instance.zone or "", offer.machine_usd))
    launched_at, ends_at = now() - instance.age_seconds, None
    if instance.state == instances.TERMINATED:
        ends_at = launched_at + (_longest(machine) if instance.lived_seconds is None else instance.lived_seconds)
    return replace(
        machine,
        offers=(offer,),
        instance_id=instance.id,
        zone=instance.zone,
        launched_at=launched_at,
        ends_at=ends_at,
    )


def _longest(machine: Machine) -> float:
    return machine.request.lease_seconds + _BOOT_AND_END_SECONDS
