# SPDX-License-Identifier: GPL-3.0-or-later
"""Renting: what AWS is asked for, and what each of its answers means."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from cloudrender_addon.backend.aws import fleet, templates
from cloudrender_addon.backend.aws.errors import certainly_refused, code_of
from cloudrender_addon.backend.aws.images import NVIDIA_PARAMETER
from cloudrender_addon.backend.errors import (
    CapacityError,
    CloudError,
    NotOfferedError,
    PermissionsError,
    QuotaError,
    UnreachableError,
)
from tests.aws.aws_stage import MACHINE, Stage
from tests.aws.launches import order, run
from tests.localcloud import catalogue

TYPES = ("g5.xlarge", "g4dn.xlarge", "c7i.4xlarge")


def asked(aws: Stage, action: str = "ec2:RunInstances") -> dict[str, str]:
    """Return what AWS was asked, or what a fleet made of it."""
    return next(parameters for name, parameters in aws.front.calls if name == action)


def test_machine_that_is_asked_for(aws: Stage) -> None:
    rented = run(aws)
    asks = asked(aws)
    expected = {
        "MinCount": "1",
        "MaxCount": "1",
        "InstanceType": MACHINE,
        "ImageId": aws.images[NVIDIA_PARAMETER],
        "KeyName": "cloudrender-t1",
        "InstanceMarketOptions.MarketType": "spot",
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions.HttpTokens": "required",
        "MetadataOptions.HttpPutResponseHopLimit": "1",
        "BlockDeviceMapping.1.DeviceName": "/dev/sda1",
        "BlockDeviceMapping.1.Ebs.Encrypted": "true",
        "BlockDeviceMapping.1.Ebs.VolumeType": "gp3",
        "BlockDeviceMapping.1.Ebs.VolumeSize": "90",
        "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true",
    }
    assert {name: asks.get(name) for name in expected} == expected
    assert base64.b64decode(asks["UserData"]) == b"#!/bin/sh\n"
    for number, kind in enumerate(("instance", "volume", "spot-instances-request"), start=1):
        assert asks[f"TagSpecification.{number}.ResourceType"] == kind
        assert asks[f"TagSpecification.{number}.Tag.1.Key"] == "cloudrender:job"
        assert asks[f"TagSpecification.{number}.Tag.1.Value"] == "job-1"
    assert rented.id.startswith("i-")
    assert rented.instance_type == MACHINE
    assert rented.zone in {
        subnet.availability_zone for of_zone in aws.backend.subnets.values() for subnet in of_zone.values()
    }


def test_one_call_asks_for_every_type_in_every_zone(aws: Stage) -> None:
    fleet.rent(aws.account(), order(aws, types=TYPES))
    assert aws.count("ec2:CreateFleet") == 1
    asks = asked(aws, "ec2:CreateFleet")
    assert asks["Type"] == "instant"
    assert asks["ClientToken"] == "t1"
    assert asks["SpotOptions.AllocationStrategy"] == "price-capacity-optimized"
    assert asks["TargetCapacitySpecification.TotalTargetCapacity"] == "1"
    assert not any("MaxPrice" in name or "MaxTotalPrice" in name for name in asks)
    zones = len(order(aws).subnets)
    assert zones > 2
    pairs = {
        (value, asks[name.replace("InstanceType", "SubnetId")])
        for name, value in asks.items()
        if name.endswith("InstanceType")
    }
    assert len(pairs) == len(TYPES) * zones


def test_cheapest_that_there_is_is_given(aws: Stage) -> None:
    rented = fleet.rent(aws.account(), order(aws, types=TYPES))
    zones = [subnet.zone for subnet in order(aws).subnets]
    prices = {(name, zone): catalogue.spot_price(name, zone) for name in TYPES for zone in zones}
    assert (rented.instance_type, rented.zone) == min(prices, key=lambda pair: prices[pair])


def test_what_is_to_be_avoided_is_asked_for_only_if_there_is_nothing_else(aws: Stage) -> None:
    first = fleet.rent(aws.account(), order(aws, types=TYPES))
    lost = frozenset({(first.instance_type, str(first.zone))})
    second = fleet.rent(aws.account(), order(aws, launch="t2", types=TYPES, avoid=lost))
    assert (second.instance_type, second.zone) not in lost
    everything = frozenset((MACHINE, subnet.zone) for subnet in order(aws).subnets)
    third = fleet.rent(aws.account(), order(aws, launch="t3", avoid=everything))
    assert (third.instance_type, third.zone) in everything


def test_type_that_is_to_be_avoided_everywhere_is_left_out(aws: Stage) -> None:
    avoid = frozenset(("g5.xlarge", subnet.zone) for subnet in order(aws).subnets)
    request: dict[str, Any] = {**fleet.fleet_request(order(aws, types=("g5.xlarge", "g6.xlarge"), avoid=avoid))}
    [config] = request["LaunchTemplateConfigs"]
    assert {each["InstanceType"] for each in config["Overrides"]} == {"g6.xlarge"}


def test_on_demand_machine_is_asked_for_without_a_market(aws: Stage) -> None:
    fleet.rent(aws.account(), order(aws, on_demand=True))
    asks = asked(aws)
    assert not any("InstanceMarketOptions" in name for name in asks)
    kinds = [asks.get(f"TagSpecification.{number}.ResourceType") for number in (1, 2, 3)]
    assert kinds == ["instance", "volume", None]  # EC2 refuses tags for what is not made
    assert asks["InstanceInitiatedShutdownBehavior"] == "terminate"
    [instance] = aws.account().ec2.describe_instances()["Reservations"][0]["Instances"]
    assert "InstanceLifecycle" not in instance


def test_same_token_gives_the_same_machine(aws: Stage) -> None:
    assert run(aws).id == run(aws).id
    assert run(aws, launch="t2").id != run(aws).id
    assert len(aws.everything()["instances"]) == 2


def test_lost_answer_is_asked_for_again_and_gives_one_machine(aws: Stage) -> None:
    aws.fault("ec2:CreateFleet", "InternalError", status=500, after=True)
    rented = run(aws)
    assert aws.count("ec2:CreateFleet") == 2
    assert aws.everything()["instances"] == [rented.id]


@pytest.mark.parametrize("code", ["InvalidKeyPair.NotFound", "InvalidGroup.NotFound", "RequestLimitExceeded"])
def test_refusal_that_is_over_in_a_moment(aws: Stage, code: str) -> None:
    aws.fault("ec2:RunInstances", code, times=2)
    run(aws)
    assert aws.count("ec2:CreateFleet") == 3


def test_call_whose_answer_is_lost_for_good_is_not_repeated_as_another(aws: Stage) -> None:
    aws.fault("ec2:CreateFleet", "InternalError", status=500, times=99, after=True)
    with pytest.raises(UnreachableError) as caught:
        run(aws)
    assert not certainly_refused(caught.value)
    assert len(aws.everything()["instances"]) == 1


def test_template_that_is_not_known_everywhere_yet(aws: Stage) -> None:
    aws.fault("ec2:CreateFleet", "InvalidLaunchTemplateName.NotFoundException", times=2)
    run(aws)
    assert aws.count("ec2:CreateFleet") == 3


def test_template_is_made_and_deleted_once(aws: Stage) -> None:
    account, [build] = aws.account(), order(aws).builds
    for _ in range(2):
        templates.make_template(account, build)
    assert aws.everything()["templates"] == ["cloudrender-t1-g4dn.xlarge"]
    for _ in range(2):
        templates.delete_template(account, build.template_name)
    assert aws.everything()["templates"] == []


def test_template_that_may_not_be_deleted(aws: Stage) -> None:
    account, [build] = aws.account(), order(aws).builds
    templates.make_template(account, build)
    aws.front.rights.deny("ec2:DeleteLaunchTemplate")
    with pytest.raises(PermissionsError, match="ec2:DeleteLaunchTemplate"):
        templates.delete_template(account, build.template_name)
    templates.delete_template(account, "cloudrender-gone")  # nothing has that name, so nothing is to be deleted


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("MaxSpotInstanceCountExceeded", QuotaError, "g4dn.xlarge spot machine (4 vCPUs) in us-east-1"),
        ("InsufficientInstanceCapacity", CapacityError, "g4dn.xlarge spot machine to give in us-east-1"),
        ("UnfulfillableCapacity", CapacityError, "g4dn.xlarge spot machine to give in us-east-1"),
        ("InsufficientFreeAddressesInSubnet", CapacityError, "no free address left, in us-east-1"),
        ("Unsupported", NotOfferedError, "does not offer a g4dn.xlarge spot machine"),
        ("InvalidFleetConfiguration", NotOfferedError, "does not offer a g4dn.xlarge spot machine"),
        ("UnauthorizedOperation", PermissionsError, "ec2:RunInstances"),
        ("SomethingNew", CloudError, "SomethingNew"),
    ],
)
def test_refusal_names_what_was_asked_for(aws: Stage, code: str, kind: type[CloudError], words: str) -> None:
    aws.fault("ec2:RunInstances", code)
    with pytest.raises(kind) as caught:
        run(aws)
    assert words in caught.value.message
    assert code_of(caught.value) == code
    assert certainly_refused(caught.value)


def test_refusal_of_an_on_demand_machine_names_its_quota(aws: Stage) -> None:
    aws.fault("ec2:RunInstances", "VcpuLimitExceeded")
    with pytest.raises(QuotaError) as caught:
        fleet.rent(aws.account(), order(aws, on_demand=True))
    assert "g4dn.xlarge on-demand machine (4 vCPUs)" in caught.value.message
    assert "“Running On-Demand G and VT instances” (L-DB2E81BA)" in caught.value.message
    assert "quotas/L-DB2E81BA" in caught.value.hint


def test_reason_of_every_type_and_zone_is_told(aws: Stage) -> None:
    aws.front.quotas.values["L-34B43A08"] = 0
    aws.fault("ec2:RunInstances", "InsufficientInstanceCapacity", when=lambda asks: asks["InstanceType"][0] == "g")
    with pytest.raises(CapacityError) as caught:  # which may be different in a minute; a quota is not
        fleet.rent(aws.account(), order(aws, types=TYPES))
    assert "no g5.xlarge, g4dn.xlarge or c7i.4xlarge spot machine" in caught.value.message
    zones = ", ".join(sorted(subnet.zone for subnet in order(aws).subnets))
    assert set(caught.value.details[:3]) == {
        f"g5.xlarge in {zones}: none free (InsufficientInstanceCapacity)",
        f"g4dn.xlarge in {zones}: none free (InsufficientInstanceCapacity)",
        f"c7i.4xlarge in {zones}: (MaxSpotInstanceCountExceeded)",
    }


def test_zone_without_the_type_is_not_why_there_is_no_machine(aws: Stage) -> None:
    nowhere = order(aws).subnets[-1]
    aws.fault(
        "ec2:RunInstances", "InvalidFleetConfiguration", times=9, when=lambda asks: asks["SubnetId"] == nowhere.id
    )
    aws.front.quotas.values["L-3819A6DF"] = 0
    with pytest.raises(QuotaError) as caught:
        run(aws)
    assert f"{MACHINE} in {nowhere.zone}: not offered there (InvalidFleetConfiguration)" in caught.value.details


def test_quota_of_one_type_leaves_the_others(aws: Stage) -> None:
    aws.front.quotas.values["L-3819A6DF"] = 0
    assert fleet.rent(aws.account(), order(aws, types=TYPES)).instance_type == "c7i.4xlarge"


def test_answer_without_machine_or_reason(aws: Stage) -> None:
    aws.fault("ec2:CreateFleet", body="<CreateFleetResponse><fleetId>fleet-1</fleetId></CreateFleetResponse>")
    with pytest.raises(CloudError, match="neither a machine nor a reason"):
        run(aws)
