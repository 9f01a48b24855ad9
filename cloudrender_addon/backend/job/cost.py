# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine has cost."""

from __future__ import annotations

from ..farms.base import Machine

MINIMUM_BILLED_SECONDS = 60
"""Linux instances are billed by the second with one minute at least (EC2 pricing page, "Per-second billing")."""


def machine_cost(machine: Machine, *, until: float) -> float:
    """Return USD spent on a machine from its launch to `until` (epoch seconds); 0 if it was never launched.

    No machine outlives its lifetime, however late somebody looks.
    """
    if machine.launched_at is None:
        return 0.0
    seconds = min(until - machine.launched_at, machine.offer.lifetime_seconds)
    seconds = max(seconds, MINIMUM_BILLED_SECONDS)
    return machine.hourly_usd * seconds / 3600
