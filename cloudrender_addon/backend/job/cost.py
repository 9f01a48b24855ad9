# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines, frames and the way back have cost."""

from __future__ import annotations

from ..farms.base import Machine

MINIMUM_BILLED_SECONDS = 60
"""Linux instances are billed by the second with one minute at least (EC2 pricing page, "Per-second billing")."""

DATA_OUT_USD_PER_GB = 0.09
"""What leaves AWS for the internet, from most regions (EC2 pricing page, "Data Transfer"). The first 100 GB of an
account in a month are free, and nobody here knows how many of them are left: so it is named apart, as "up to"."""

_GB = 10**9


def machine_cost(machine: Machine, *, until: float) -> float:
    """Return USD that a job has spent on a machine up to `until` (epoch seconds); 0 if it was never launched.

    No machine outlives its end, however late somebody looks. What jobs pay that have a machine one after another is
    in all what it costs.
    """
    seconds = _billed_seconds(machine, until=until)
    if machine.paid_from is not None:
        seconds -= _billed_seconds(machine, until=machine.paid_from)
    return machine.hourly_usd * max(seconds, 0.0) / 3600


def _billed_seconds(machine: Machine, *, until: float) -> float:
    """Return for how long a machine is billed, whoever pays."""
    if machine.launched_at is None or machine.end is None:
        return 0.0
    return max(min(until, machine.end) - machine.launched_at, MINIMUM_BILLED_SECONDS)


def data_out_usd(count: float) -> float:
    """Return USD for so many bytes of frames that come back, if none of them is free."""
    return count / _GB * DATA_OUT_USD_PER_GB


def cost_per_frame(usd: float, *, frames: int) -> float | None:
    """Return USD a frame: all that was spent, waiting included, by the frames it brought. None before the first."""
    return usd / frames if frames else None
