# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine costs, USD per hour."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from ..errors import CapacityError

if TYPE_CHECKING:
    from .session import Account

GP3_USD_PER_GB_MONTH = 0.08
"""https://aws.amazon.com/ebs/pricing/ (us-east-1; other regions up to twice that)."""

ADDRESS_USD_PER_HOUR = 0.005
"""A public IPv4 address in use: https://aws.amazon.com/vpc/pricing/ (all regions)."""

_HOURS_PER_MONTH = 730


def spot_price(account: Account, machine: str) -> float:
    """Return today's price of a spot machine of this type in its cheapest zone, USD per hour.

    Raises `CapacityError` when the type is not for sale in the region, `CloudError`.
    """
    # From now on: that gives the price in force in each zone, and not its history.
    with account.calling("ec2:DescribeSpotPriceHistory", machine=machine):
        history = account.ec2.describe_spot_price_history(
            InstanceTypes=[machine],  # type: ignore[list-item]
            ProductDescriptions=["Linux/UNIX"],
            StartTime=datetime.datetime.now(datetime.UTC),
        )["SpotPriceHistory"]
    newest: dict[str, float] = {}
    for entry in sorted(history, key=lambda entry: entry["Timestamp"]):
        newest[entry.get("AvailabilityZone", "")] = float(entry["SpotPrice"])
    if not newest:
        raise CapacityError(
            f"{machine} is not for sale as a spot machine in {account.region}",
            hint="Use another type (-c) or another region (--region)",
        )
    return min(newest.values())


def disk_price(size_gb: int) -> float:
    """Return the price of a gp3 disk of `size_gb` GiB, USD per hour."""
    return size_gb * GP3_USD_PER_GB_MONTH / _HOURS_PER_MONTH
