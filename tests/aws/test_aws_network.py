# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the machine stands, and that only its user gets in."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cloudrender_addon.backend.aws import network
from cloudrender_addon.backend.aws.network import Site
from cloudrender_addon.backend.errors import CloudError, ConfigError, UnreachableError
from tests.aws.aws_stage import CALLER, Stage


def site_of(aws: Stage) -> Site:
    return network.find_site(aws.account(), subnet=None)


def group_in(aws: Stage, *, launch: str = "t1") -> str:
    return network.make_group(aws.account(), site=site_of(aws), job_id="job-1", token=launch)


def describe(aws: Stage, group_id: str) -> Any:
    return aws.account().ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]


def test_default_network(aws: Stage) -> None:
    [vpc] = aws.account().ec2.describe_vpcs()["Vpcs"]
    site = site_of(aws)
    assert (site.vpc_id, site.subnet_id, site.public) == (vpc["VpcId"], None, True)
    assert site.caller_address(aws.checkip_url) == CALLER


def test_no_default_network(aws: Stage) -> None:
    aws.fault("ec2:DescribeSubnets", body="<DescribeSubnetsResponse><subnetSet/></DescribeSubnetsResponse>")
    with pytest.raises(ConfigError, match="no default network") as caught:
        site_of(aws)
    assert "aws ec2 create-default-vpc --region us-east-1" in caught.value.hint


def test_private_subnet_is_called_from_this_computers_own_address(aws: Stage) -> None:
    ec2 = aws.account().ec2
    vpc = ec2.create_vpc(CidrBlock="127.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.0.1.0/24")["Subnet"]["SubnetId"]
    site = network.find_site(aws.account(), subnet=subnet)
    assert (site.vpc_id, site.subnet_id, site.public) == (vpc, subnet, False)
    assert site.caller_address("http://unused.invalid") == "127.0.0.1"


def test_public_subnet(aws: Stage) -> None:
    subnet = aws.account().ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    assert network.find_site(aws.account(), subnet=subnet).public


def test_unknown_subnet_is_named(aws: Stage) -> None:
    with pytest.raises(ConfigError, match="subnet-123 does not exist"):
        network.find_site(aws.account(), subnet="subnet-123")


@pytest.mark.parametrize("answer", ["<html>log in first</html>", "2001:db8::1", "", "1.2.3.4\n5.6.7.8"])
def test_service_that_does_not_answer_with_an_address(aws: Stage, answer: str) -> None:
    aws.front.caller = answer
    with pytest.raises(UnreachableError, match="public IPv4 address") as caught:
        network.public_address(aws.checkip_url)
    assert "checkip_url" in caught.value.hint


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "nonsense", "http://[bad"])
def test_service_that_cannot_be_reached(url: str) -> None:
    with pytest.raises(UnreachableError):
        network.public_address(url)


def test_group_lets_in_one_address_to_one_port(aws: Stage) -> None:
    group_id = group_in(aws)
    assert describe(aws, group_id)["IpPermissions"] == []
    for _ in range(2):
        network.let_in(aws.account(), group_id=group_id, address=CALLER, port=2222)
    group = describe(aws, group_id)
    [rule] = group["IpPermissions"]
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 2222, 2222)
    assert [each["CidrIp"] for each in rule["IpRanges"]] == [f"{CALLER}/32"]
    assert not rule.get("Ipv6Ranges") and not rule.get("UserIdGroupPairs")
    assert group["GroupName"] == "cloudrender-t1"
    assert {tag["Key"]: tag["Value"] for tag in group["Tags"]} == {
        "cloudrender:job": "job-1",
        "cloudrender:launch": "t1",
        "Name": "cloudrender job-1",
    }


def test_group_is_made_once(aws: Stage) -> None:
    assert group_in(aws) == group_in(aws)
    assert group_in(aws, launch="t2") != group_in(aws)


def test_group_of_that_name_without_our_tag_is_not_used(aws: Stage) -> None:
    aws.account().ec2.create_security_group(GroupName="cloudrender-t1", Description="x", VpcId=site_of(aws).vpc_id)
    with pytest.raises(CloudError, match=r"InvalidGroup\.Duplicate"):
        group_in(aws)


def test_group_that_is_not_known_everywhere_yet(aws: Stage) -> None:
    aws.fault("ec2:AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound", times=2)
    group_id = group_in(aws)
    network.let_in(aws.account(), group_id=group_id, address=CALLER, port=22)
    assert len(describe(aws, group_id)["IpPermissions"]) == 1


def test_group_is_deleted_once_the_machine_has_let_go_of_it(aws: Stage) -> None:
    group_id = group_in(aws)
    aws.fault("ec2:DeleteSecurityGroup", "DependencyViolation", times=2)
    network.delete_group(aws.account(), group_id, deadline=time.monotonic() + 10)
    assert aws.count("ec2:DeleteSecurityGroup") == 3
    network.delete_group(aws.account(), group_id, deadline=time.monotonic() + 10)  # gone already
    assert aws.everything()["groups"] == []


def test_group_that_stays_in_use(aws: Stage) -> None:
    group_id = group_in(aws)
    aws.fault("ec2:DeleteSecurityGroup", "DependencyViolation", times=99)
    began = time.monotonic()
    with pytest.raises(CloudError, match="still held by a machine"):
        network.delete_group(aws.account(), group_id, deadline=began + 0.3)
    assert time.monotonic() - began < 5
