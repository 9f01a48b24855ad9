# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine costs, USD per hour."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from ..errors import NotOfferedError
from .price_list import on_demand_prices

if TYPE_CHECKING:
    from collections.abc import Collection

    from .session import Account

GP3_USD_PER_GB_MONTH = 0.08
"""https://aws.amazon.com/ebs/pricing/ (us-east-1; other regions up to twice that)."""

SNAPSHOT_USD_PER_GB_MONTH = 0.05
"""Likewise, of the blocks that are written: at most of the whole disk."""

ADDRESS_USD_PER_HOUR = 0.005
"""A public IPv4 address in use: https://aws.amazon.com/vpc/pricing/ (all regions)."""

_HOURS_PER_MONTH = 730


def spot_prices(account: Account, names: Collection[str]) -> dict[str, float]:
    """Return today's spot price of each type in its cheapest zone, USD per hour; see `zone_prices`."""
    return {name: min(prices.values()) for name, prices in zone_prices(account, names).items()}


def zone_prices(account: Account, names: Collection[str]) -> dict[str, dict[str, float]]:
    """Return today's spot price of each type in each zone, USD per hour, by one call.

    Types that are not sold as spot in the region are absent. Raises `CloudError`.
    """
    if not names:
        return {}
    newest: dict[tuple[str, str], float] = {}
    with account.calling("ec2:DescribeSpotPriceHistory", machine=next(iter(names)) if len(names) == 1 else ""):
        pages = account.ec2.get_paginator("describe_spot_price_history").paginate(
            # As a filter, since a type that the region does not know would be an error as an argument.
            Filters=[{"Name": "instance-type", "Values": [*names]}],
            ProductDescriptions=["Linux/UNIX"],
            # From now on: that gives the price in force in each zone, and not its history.
            StartTime=datetime.datetime.now(datetime.UTC),
        )
        history = [entry for page in pages for entry in page["SpotPriceHistory"]]
    for entry in sorted(history, key=lambda entry: entry["Timestamp"]):
        newest[entry["InstanceType"], entry.get("AvailabilityZone", "")] = float(entry["SpotPrice"])
    prices: dict[str, dict[str, float]] = {}
    for (name, zone), price in newest.items():
        prices.setdefault(name, {})[zone] = price
    return prices


def machine_price(account: Account, name: str, *, on_demand: bool) -> float:
    """Return today's price of one machine of this type, USD per hour; see `spot_prices`, `on_demand_prices`.

    Raises `NotOfferedError` when the type is not for sale like that in the region, `CloudError`.
    """
    price = (on_demand_prices if on_demand else spot_prices)(account, [name]).get(name)
    if price is None:
        raise not_for_sale(account, name, on_demand=on_demand)
    return price


def not_for_sale(account: Account, name: str, *, on_demand: bool) -> NotOfferedError:
    """Return the error for a type that has no price in the region."""
    return NotOfferedError(
        f"{name} is not for sale as {'an on-demand' if on_demand else 'a spot'} machine in {account.region}",
        hint="Use another Type (-c) or Region (--region)",
    )


def snapshot_price(size_gb: int) -> float:
    """Return what the snapshot of a disk of that size costs at most, USD per hour."""
    return size_gb * SNAPSHOT_USD_PER_GB_MONTH / _HOURS_PER_MONTH


def disk_price(size_gb: int) -> float:
    """Return the price of a gp3 disk of `size_gb` GiB, USD per hour."""
    return size_gb * GP3_USD_PER_GB_MONTH / _HOURS_PER_MONTH
