# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of ours in an account, region by region, with what it costs as long as nobody ends it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from ..atonce import all_at_once
from ..aws.inventory import END_SECONDS, Kind, Resource, end, list_ours
from ..aws.prices import ADDRESS_USD_PER_HOUR, disk_price, machine_price, snapshot_price
from ..aws.session import Account
from ..errors import CloudError, CloudrenderError

_UNBILLED = ("stopping", "stopped")
_MINIMUM_BILLED_SECONDS = 60.0  # see job/cost.py


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing of ours. `hourly_usd` is None where nobody tells the price, 0 for what costs nothing."""

    region: str
    resource: Resource
    hourly_usd: float | None

    @property
    def cost_usd(self) -> float | None:
        """What it has cost so far, going by today's price; None where price or age are not known."""
        if self.hourly_usd == 0:
            return 0.0
        if self.hourly_usd is None or self.resource.age_seconds is None:
            return None
        return self.hourly_usd * max(self.resource.age_seconds, _MINIMUM_BILLED_SECONDS) / 3600


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was found, and the regions that could not be looked into, with why."""

    found: tuple[Leftover, ...]
    problems: Mapping[str, CloudrenderError] = field(default_factory=dict)


def search(account: Account, regions: Collection[str], *, known_usd: Mapping[str, float] | None = None) -> Search:
    """Look for everything with our tags in these regions, all at once.

    `known_usd` are hourly prices that records of this computer tell, by instance id; others are asked for. Raises
    `CloudrenderError` if no region could be looked into.
    """
    questions = (partial(_look, account.at(region), known_usd or {}) for region in regions)
    answers = dict(zip(regions, all_at_once(questions), strict=True))
    problems = {region: answer for region, answer in answers.items() if isinstance(answer, CloudrenderError)}
    if len(problems) == len(answers):
        raise next(iter(problems.values()))
    found = tuple(left for answer in answers.values() if not isinstance(answer, CloudrenderError) for left in answer)
    return Search(found=found, problems=problems)


def end_all(account: Account, leftovers: Iterable[Leftover], *, seconds: float = END_SECONDS) -> None:
    """End exactly these, in all regions at once, and return once they are seen gone. See `inventory.end`."""
    by_region: dict[str, list[Resource]] = {}
    for left in leftovers:
        by_region.setdefault(left.region, []).append(left.resource)
    all_at_once(partial(end, account.at(region), resources, seconds=seconds) for region, resources in by_region.items())


def _look(account: Account, known_usd: Mapping[str, float]) -> tuple[Leftover, ...] | CloudrenderError:
    try:
        resources = list_ours(account)
    except CloudrenderError as error:  # of one region: the others are still worth a look
        return error
    return tuple(
        Leftover(region=account.region, resource=each, hourly_usd=_hourly(account, each, known_usd))
        for each in resources
    )


def _hourly(account: Account, resource: Resource, known_usd: Mapping[str, float]) -> float | None:
    if resource.kind is Kind.VOLUME:
        return disk_price(resource.size_gb)
    if resource.kind in (Kind.IMAGE, Kind.SNAPSHOT):
        return snapshot_price(resource.size_gb)
    if resource.kind is not Kind.INSTANCE or resource.state in _UNBILLED:
        return 0.0
    if resource.id in known_usd:
        return known_usd[resource.id]
    try:
        price = machine_price(account, resource.detail, on_demand=resource.on_demand)
    except CloudError:  # no right to ask, or no longer sold
        return None
    return price + (ADDRESS_USD_PER_HOUR if resource.public else 0.0)
