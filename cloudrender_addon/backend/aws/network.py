# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a machine stands in the user's network, and the security group that lets in only the user."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import CloudError, ConfigError, PermissionsError, UnreachableError
from .codes import NO_NETWORK
from .errors import code_of
from .pace import paced
from .tags import launch_name, ours, tagged

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef, SecurityGroupTypeDef, SubnetTypeDef

    from .session import Account

_CHECKIP_SECONDS = 5.0
_INTERNET = "192.0.2.0/24"  # stands for any address outside: https://www.rfc-editor.org/rfc/rfc5737
INTO_PRIVATE = "connect the VPN into its network, or set Subnet (--subnet) to one that gives public addresses"
"""What to do about a machine that is out of reach because it has no public address."""

_APPEAR_SECONDS = 10.0  # EC2 is eventually consistent: what was just made may not be known everywhere yet


@dataclass(frozen=True, kw_only=True)
class Subnet:
    """A subnet, and the zone it lies in."""

    id: str
    zone: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a machine may stand: in any of `subnets`. `public` says whether it gets a public address.

    `subnet_id` is the subnet the user gave, None for the default network, which has one in each zone.
    """

    vpc_id: str
    subnet_id: str | None
    subnets: tuple[Subnet, ...]
    public: bool
    cidr: str

    def caller_address(self, checkip_url: str) -> str:
        """Return the IPv4 address this computer has when it calls the machine. Raises `UnreachableError`."""
        return public_address(checkip_url) if self.public else _address_towards(self.cidr)

    @property
    def cut_off(self) -> bool:
        """Whether it is private, and this computer knows no other way there than the one to the internet."""
        if self.public:
            return False
        address = _address_towards(self.cidr)
        inside = ipaddress.IPv4Address(address) in ipaddress.IPv4Network(self.cidr)
        try:
            return not inside and address == _address_towards(_INTERNET)
        except UnreachableError:
            return False


def find_site(account: Account, *, subnet: str | None) -> Site:
    """Find the given subnet, or the default network. Raises `ConfigError` where there is none, `CloudError`."""
    with account.calling("ec2:DescribeSubnets", subnet=subnet or ""):
        filters: list[FilterTypeDef] = [{"Name": "default-for-az", "Values": ["true"]}]
        found: list[SubnetTypeDef] = (
            account.ec2.describe_subnets(SubnetIds=[subnet])
            if subnet
            else account.ec2.describe_subnets(Filters=filters)
        )["Subnets"]
    if not found:
        raise account.problem(NO_NETWORK)
    return Site(
        vpc_id=found[0].get("VpcId", ""),
        subnet_id=subnet,
        subnets=tuple(
            Subnet(id=each.get("SubnetId", ""), zone=each.get("AvailabilityZone", ""))
            for each in sorted(found, key=lambda each: each.get("AvailabilityZone", ""))
        ),
        public=any(each.get("MapPublicIpOnLaunch", False) for each in found),
        cidr=found[0].get("CidrBlock", ""),
    )


def public_address(checkip_url: str) -> str:
    """Ask `checkip_url` which IPv4 address this computer has on the internet. Raises `UnreachableError`."""
    try:
        # The URL is a setting of the user; it decides only who may knock at port 22.
        with urllib.request.urlopen(checkip_url, timeout=_CHECKIP_SECONDS) as answer:  # noqa: S310
            text = answer.read(100).decode("ascii", errors="replace").strip()
        return str(ipaddress.IPv4Address(text))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UnreachableError(
            f"This computer's public IPv4 address cannot be found out at {checkip_url}",
            hint="Check the internet connection, or set checkip_url to another service that answers with the address",
        ) from error


def check_group(account: Account, *, group_id: str, site: Site) -> None:
    """Look whether a group the user gave can be used there. Raises `ConfigError` when not, `CloudError`."""
    found = _describe_group(account, group_id)
    if not found:
        raise ConfigError(
            f"The security group {group_id} does not exist in {account.region}",
            hint="Correct Security Group (--security-group), or leave it empty to have one made for each job",
        )
    if found[0].get("VpcId") != site.vpc_id:
        raise ConfigError(
            f"The security group {group_id} belongs to another network than {site.subnet_id or 'the default subnets'}",
            hint=f"Set Subnet (--subnet) to one in the group's network, {found[0].get('VpcId')}, or Security Group "
            f"(--security-group) to one in {site.vpc_id}",
        )


def make_group(account: Account, *, site: Site, job_id: str, token: str) -> str:
    """Make the security group of a launch, letting nobody in yet, and return its id. Idempotent."""
    name = launch_name(token)
    try:
        with account.calling("ec2:CreateSecurityGroup"):
            return account.ec2.create_security_group(
                GroupName=name,
                Description=f"Cloudrender job {job_id}",
                VpcId=site.vpc_id,
                TagSpecifications=[tagged("security-group", job_id=job_id, token=token)],
            )["GroupId"]
    except CloudError as error:
        if code_of(error) != "InvalidGroup.Duplicate":
            raise
        with account.calling("ec2:DescribeSecurityGroups"):
            mine = account.ec2.describe_security_groups(Filters=ours(token=token))["SecurityGroups"]
        if not mine:  # its name is taken by a group without our tags: not ours to touch
            raise
        return mine[0].get("GroupId", "")


def let_in(account: Account, *, group_id: str, address: str, port: int) -> None:
    """Allow TCP to `port` from exactly this IPv4 address. Idempotent."""
    for last in paced(deadline=time.monotonic() + _APPEAR_SECONDS, first=0.2, longest=1.0):
        try:
            with account.calling("ec2:AuthorizeSecurityGroupIngress"):
                account.ec2.authorize_security_group_ingress(
                    GroupId=group_id,
                    IpPermissions=[
                        {
                            "IpProtocol": "tcp",
                            "FromPort": port,
                            "ToPort": port,
                            "IpRanges": [{"CidrIp": f"{address}/32", "Description": "Who started the job"}],
                        }
                    ],
                )
        except CloudError as error:
            if code_of(error) == "InvalidPermission.Duplicate":
                return
            if code_of(error) != "InvalidGroup.NotFound" or last:
                raise
        else:
            return


def delete_group(account: Account, group_id: str, *, deadline: float) -> None:
    """Delete the group, waiting until nothing uses it any more. Idempotent. Raises `CloudError`.

    `deadline` is `time.monotonic()` seconds. A terminated machine may hold its group for some seconds.
    """
    for last in paced(deadline=deadline, first=0.2, longest=3.0):
        try:
            with account.calling("ec2:DeleteSecurityGroup"):
                account.ec2.delete_security_group(GroupId=group_id)
        except CloudError as error:
            if code_of(error) == "InvalidGroup.NotFound" or (
                # Likewise for one that is gone: without tags, the policy's condition on tags refuses.
                isinstance(error, PermissionsError) and not _describe_group(account, group_id)
            ):
                return
            if last or not (error.retryable or code_of(error) == "DependencyViolation"):
                raise
        else:
            return


def _describe_group(account: Account, group_id: str) -> list[SecurityGroupTypeDef]:
    # By filter, because asking by id answers an unknown one with an error.
    with account.calling("ec2:DescribeSecurityGroups"):
        found = account.ec2.describe_security_groups(Filters=[{"Name": "group-id", "Values": [group_id]}])
    return found["SecurityGroups"]


def _address_towards(cidr: str) -> str:
    """Return the address this computer uses towards a private network (over a VPN). Nothing is sent."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((str(ipaddress.IPv4Network(cidr)[1]), 9))
            return str(probe.getsockname()[0])
    except (OSError, ValueError) as error:
        raise UnreachableError(
            f"There is no way from this computer into the private subnet {cidr}",
            hint=INTO_PRIVATE[0].upper() + INTO_PRIVATE[1:],
        ) from error
