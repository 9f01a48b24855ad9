# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of time and money that a job was given."""

from __future__ import annotations

from dataclasses import replace

from ..clock import now
from ..errors import RenderError
from ..farms.base import Offer
from .cost import MINIMUM_BILLED_SECONDS, machine_cost
from .record import JobRecord


def seconds_left(record: JobRecord) -> float:
    """Return for how many seconds the job may go on, with the machine it has. Raises `RenderError` when it may not."""
    left = _by_time(record)
    if record.machine is None or record.machine.launched_at is None:
        return left
    return min(left, _by_money(record, hourly_usd=record.machine.hourly_usd, least=0))


def affordable(record: JobRecord, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
    """Return the offers, not rented yet, that the job may have, each with the seconds it may live then.

    The machine is told and ends itself then, so the limits hold with every client dead. Raises `RenderError` when
    there is not even money, or time, for a minute of any.
    """
    allowed, too_dear = [], []
    for offer in offers:
        try:
            by_money = _by_money(record, hourly_usd=offer.hourly_usd, least=MINIMUM_BILLED_SECONDS)
        except RenderError as error:
            too_dear.append(error)
        else:
            allowed.append(replace(offer, lifetime_seconds=max(int(min(_by_time(record), by_money)), 1)))
    if not allowed:
        raise too_dear[0]
    return tuple(allowed)


def _by_time(record: JobRecord) -> float:
    hours = record.spec.settings.max_hours
    left: float = record.started + hours * 3600 - now()
    if left <= 0:
        raise RenderError(
            f"The job reached its time limit of {hours:g} h",
            hint="The finished frames are kept; to render the others, allow a new job more hours (max hours)",
        )
    return left


def _by_money(record: JobRecord, *, hourly_usd: float, least: float) -> float:
    limit = record.spec.settings.max_cost
    if limit is None:
        return float("inf")
    spent = record.spent_usd + (machine_cost(record.machine, until=now()) if record.machine else 0.0)
    left = (limit - spent) / hourly_usd * 3600 if hourly_usd > 0 else float("inf")
    if left <= least:
        raise RenderError(
            f"The job reached its cost limit of ${limit:.2f}",
            hint="The finished frames are kept; to render the others, allow a new job more (max cost)",
        )
    return left
