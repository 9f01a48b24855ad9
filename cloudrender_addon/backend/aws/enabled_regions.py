# SPDX-License-Identifier: GPL-3.0-or-later
"""The regions that one account may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .session import Account


def enabled_regions(account: Account) -> tuple[str, ...]:
    """Ask AWS for the regions that are switched on for the account. Raises `CloudError`."""
    with account.calling("ec2:DescribeRegions"):
        answer = account.ec2.describe_regions(AllRegions=False)
    return tuple(sorted(region["RegionName"] for region in answer["Regions"]))
