# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a security group that the user named lets this computer in."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import IpPermissionOutputTypeDef

    from .session import Account

_TCP = ("tcp", "6")
_ALL = "-1"


def lets_in(account: Account, group_id: str, *, address: str, port: int) -> bool | None:
    """Tell whether the group admits TCP to `port` from this IPv4 address; None where only AWS could tell.

    Raises `CloudError`.
    """
    with account.calling("ec2:DescribeSecurityGroups"):
        [group] = account.ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    rules = [rule for rule in group.get("IpPermissions", []) if _about(rule, port)]
    if any(_covers(rule, address) for rule in rules):
        return True
    # Other groups and lists of addresses as a source: their members are not in the answer.
    return None if any(rule.get("PrefixListIds") or rule.get("UserIdGroupPairs") for rule in rules) else False


def _about(rule: IpPermissionOutputTypeDef, port: int) -> bool:
    protocol = rule.get("IpProtocol")
    if protocol == _ALL:
        return True
    return protocol in _TCP and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535)


def _covers(rule: IpPermissionOutputTypeDef, address: str) -> bool:
    who = ipaddress.IPv4Address(address)
    return any(who in ipaddress.IPv4Network(source["CidrIp"], strict=False) for source in rule.get("IpRanges", []))
