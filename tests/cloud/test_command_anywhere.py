# SPDX-License-Identifier: GPL-3.0-or-later
"""A job works in whatever network an account has, and from whatever network the user's computer is in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud.command import Project, wait_for
from tests.localcloud.cloud import Cloud

pytestmark = [pytest.mark.blender, pytest.mark.program]

SMALL = ("-f", 1, "-c", "c7i.large")


def without_default_network(cloud: Cloud) -> Any:
    """Take the account's default network away, and return its EC2 client."""
    ec2 = cloud.client("ec2")
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    return ec2


def subnet_of(ec2: Any, *, public: bool) -> tuple[str, str]:
    """Make a network with one subnet; return the ids of both."""
    vpc = ec2.create_vpc(CidrBlock="127.200.0.0/16")["Vpc"]["VpcId"]  # this computer has a way into that
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.200.1.0/24", AvailabilityZone="us-east-1a")["Subnet"][
        "SubnetId"
    ]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": public})
    return vpc, subnet


def descriptions(ec2: Any) -> list[dict[str, Any]]:
    return [each for reservation in ec2.describe_instances()["Reservations"] for each in reservation["Instances"]]


def count(cloud: Cloud, name: str) -> int:
    return [action for _, action in cloud.calls].count(name)


def test_an_account_without_default_network_is_told_what_to_do(cloud: Cloud, project: Project) -> None:
    without_default_network(cloud)
    result = project.run(*SMALL)
    assert result.code == 1 and "no default network" in result.err, result.err
    assert "aws ec2 create-default-vpc --region us-east-1" in result.err and "--subnet" in result.err
    assert not cloud.machines


def test_a_chosen_subnet_of_an_account_without_default_network(cloud: Cloud, project: Project) -> None:
    ec2 = without_default_network(cloud)
    vpc, subnet = subnet_of(ec2, public=True)
    result = project.run(*SMALL, "--subnet", subnet)
    assert result.code == 0 and project.frames() == ["0001.png"], result.err
    [machine] = descriptions(ec2)
    assert (machine["VpcId"], machine["SubnetId"]) == (vpc, subnet)


def test_a_private_subnet(cloud: Cloud, project: Project) -> None:
    ec2 = without_default_network(cloud)
    _, subnet = subnet_of(ec2, public=False)
    cloud.move_client("198.51.100.7")  # nobody who is let in by this address comes out of the VPN
    running = project.start("-a", "-e", 40, "-c", "c7i.large", "--subnet", subnet)
    wait_for(project.frames, "a frame")
    [machine] = descriptions(ec2)
    assert "PublicIpAddress" not in machine and machine["PrivateIpAddress"] == cloud.machines[0].order.address
    [group] = ec2.describe_security_groups(GroupIds=[machine["SecurityGroups"][0]["GroupId"]])["SecurityGroups"]
    [rule] = group["IpPermissions"]
    assert [each["CidrIp"] for each in rule["IpRanges"]] == ["127.0.0.1/32"]
    result = running.wait()
    assert result.code == 0 and len(project.pictures()) == 40, result.err


@pytest.mark.parametrize("cidr", ["127.0.0.0/8", "203.0.113.0/24"])
def test_an_own_security_group_decides_who_gets_in(
    cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch, cidr: str
) -> None:
    ec2 = without_default_network(cloud)
    vpc, subnet = subnet_of(ec2, public=True)
    own = ec2.create_security_group(GroupName="mine", Description="of the user", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=own, CidrIp=cidr, IpProtocol="tcp", FromPort=1, ToPort=65535)
    calls = count(cloud, "AuthorizeSecurityGroupIngress")
    monkeypatch.setenv("CLOUDRENDER_BOOT_MINUTES", "0.1")
    result = project.run(*SMALL, "--subnet", subnet, "--security-group", own)
    assert result.code == (0 if cidr.startswith("127") else 1), result.err
    assert result.code == 0 or "did not answer" in result.err
    assert count(cloud, "AuthorizeSecurityGroupIngress") == calls, "the user's own group was changed"
    ec2.delete_security_group(GroupId=own)


def test_a_computer_that_changes_networks_is_let_back_in(cloud: Cloud, project: Project) -> None:
    rules: list[list[str]] = []
    cloud.on_frames(2, lambda _: cloud.move_client("198.51.100.7"))
    running = project.start("-a", "-e", 40)
    watch(running.process.poll, lambda: rules.append(admitted(cloud)))
    result = running.wait()
    assert result.code == 0 and "connecting again" in result.err, result.err
    assert len(project.pictures()) == 40 and len(cloud.machines) == 1
    assert ["127.0.0.1/32"] in rules and ["127.0.0.1/32", "198.51.100.7/32"] in rules
    assert count(cloud, "AuthorizeSecurityGroupIngress") == 2


def watch(ended: Callable[[], object], look: Callable[[], None]) -> None:
    def turn() -> bool:
        look()
        return ended() is not None

    wait_for(turn, "the command to end")


def admitted(cloud: Cloud) -> list[str]:
    """Return who is let in by the groups of jobs, as addresses with their masks."""
    groups = cloud.client("ec2").describe_security_groups(Filters=[{"Name": "tag-key", "Values": ["cloudrender:job"]}])
    rules = [rule for group in groups["SecurityGroups"] for rule in group["IpPermissions"]]
    return sorted(each["CidrIp"] for rule in rules for each in rule["IpRanges"])
