# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Setup: the network that the machine would stand in, and who is let in there."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloudrender_addon.backend.aws import network
from tests.aws.aws_stage import CALLER, REGION, Stage
from tests.aws.setup_checks import check, checks, states

NO_SUBNETS = "<DescribeSubnetsResponse><subnetSet/></DescribeSubnetsResponse>"


def test_no_default_network(aws: Stage, tmp_path: Path) -> None:
    aws.fault("ec2:DescribeSubnets", body=NO_SUBNETS, when=lambda parameters: "DryRun" not in parameters)
    results = check(aws, tmp_path)
    assert states(results) == {"Network": "failed"}
    assert "aws ec2 create-default-vpc" in results["Network"].hint


def test_unknown_subnet(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, subnet="subnet-0123456789abcdef0")
    assert states(results) == {"Network": "failed"}
    assert "subnet-0123456789abcdef0" in results["Network"].text


def private_subnet(aws: Stage, cidr: str) -> str:
    ec2 = aws.account().ec2
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    return ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]


@pytest.mark.parametrize(
    ("ways", "state"),
    [
        (("192.168.1.5", "192.168.1.5"), {"Network": "warning"}),  # by the default route: no VPN has one of its own
        (("10.8.0.2", "192.168.1.5"), {}),
        (("10.77.1.9", "10.77.1.9"), {}),  # this computer stands in that network itself
    ],
)
def test_private_subnet(
    aws: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ways: tuple[str, str], state: dict[str, str]
) -> None:
    way_there, way_out = ways
    subnet = private_subnet(aws, "10.77.0.0/16")
    # What this computer's routes say, which differ from one that runs the tests to the next.
    monkeypatch.setattr(network, "_address_towards", lambda cidr: way_there if cidr.startswith("10.77") else way_out)
    results = check(aws, tmp_path, subnet=subnet)
    assert states(results) == state
    assert f"{way_there}, privately" in results["Network"].text
    assert not state or ("VPN" in results["Network"].hint and "Subnet (--subnet)" in results["Network"].hint)


def test_private_subnet_without_any_way_there(aws: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_way(_family: int, _kind: int) -> Any:
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    subnet = private_subnet(aws, "10.77.0.0/16")
    monkeypatch.setattr(network, "socket", SimpleNamespace(AF_INET=0, SOCK_DGRAM=0, socket=no_way))
    results = check(aws, tmp_path, subnet=subnet)
    assert states(results) == {"Network": "failed"}
    assert "VPN" in results["Network"].hint


def test_group_of_another_network(aws: Stage, tmp_path: Path) -> None:
    ec2 = aws.account().ec2
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="theirs", Description="x", VpcId=vpc)["GroupId"]
    results = {result.name: result for result in checks(aws, tmp_path, security_group=group)}
    ec2.delete_security_group(GroupId=group)
    assert states(results) == {"Network": "failed"}
    assert vpc in results["Network"].hint and "Subnet (--subnet)" in results["Network"].hint
    assert default_vpc(aws) in results["Network"].hint


def test_own_address_that_cannot_be_found_out(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, checkip_url="http://127.0.0.1:9")
    assert states(results) == {"Network": "failed"}
    assert "checkip_url" in results["Network"].hint


def rules(aws: Stage, *rules: str) -> str:
    """Give the network's default group these inbound rules, as EC2 writes them, and return its id."""
    group = aws.account().ec2.describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["default"]}, {"Name": "vpc-id", "Values": [default_vpc(aws)]}]
    )["SecurityGroups"][0]
    items = "".join(f"<item>{rule}</item>" for rule in rules)
    answer = (
        f"<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>{group['GroupId']}</groupId>"
        f"<vpcId>{group['VpcId']}</vpcId><ipPermissions>{items}</ipPermissions></item></securityGroupInfo>"
        "</DescribeSecurityGroupsResponse>"
    )
    aws.fault("ec2:DescribeSecurityGroups", body=answer, when=lambda parameters: "GroupId.1" in parameters)
    return group["GroupId"]


def default_vpc(aws: Stage) -> str:
    filters: Any = [{"Name": "is-default", "Values": ["true"]}]
    return aws.account().ec2.describe_vpcs(Filters=filters)["Vpcs"][0]["VpcId"]


def rule(source: str, *, protocol: str = "tcp", ports: tuple[int, int] = (22, 22)) -> str:
    return (
        f"<ipProtocol>{protocol}</ipProtocol><fromPort>{ports[0]}</fromPort><toPort>{ports[1]}</toPort>"
        f"<ipRanges>{source}</ipRanges>"
    )


def cidr(text: str) -> str:
    return f"<item><cidrIp>{text}</cidrIp></item>"


@pytest.mark.parametrize(
    ("granted", "state"),
    [
        (rule(cidr(f"{CALLER}/32")), {}),
        (rule(cidr("10.0.0.0/8") + cidr("203.0.113.0/24"), ports=(0, 65535)), {}),
        (rule(cidr("0.0.0.0/0"), protocol="-1"), {}),
        (rule(cidr("203.0.113.8/32")), {"Network": "failed"}),
        (rule(cidr("0.0.0.0/0"), protocol="udp"), {"Network": "failed"}),
        (rule(cidr("0.0.0.0/0"), ports=(80, 443)), {"Network": "failed"}),
        (
            rule("") + "<prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds>",
            {"Network": "warning"},
        ),
    ],
)
def test_group_of_the_users_own(aws: Stage, tmp_path: Path, granted: str, state: dict[str, str]) -> None:
    group = rules(aws, granted)
    results = check(aws, tmp_path, security_group=group)
    assert states(results) == state
    assert group in results["Network"].text
    if state:
        assert "TCP port 22" in results["Network"].hint and CALLER in results["Network"].hint
    tried = {action for action, parameters in aws.front.calls if "DryRun" in parameters}
    assert "ec2:RunInstances" in tried and "ec2:CreateSecurityGroup" not in tried


def test_group_that_does_not_exist(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, security_group="sg-0123456789abcdef0")
    assert states(results) == {"Network": "failed"}
    assert "Security Group (--security-group)" in results["Network"].hint


def test_own_group_does_not_need_to_know_the_address(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, security_group=rules(aws), checkip_url="http://127.0.0.1:9")
    assert states(results) == {"Network": "warning"}
