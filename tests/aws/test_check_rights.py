# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Setup: what the account may do, and how much of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudrender_addon.backend.aws.limits import request_increase
from cloudrender_addon.backend.aws.quotas import spot_quota
from cloudrender_addon.backend.farms.check import CheckState
from tests.aws.aws_stage import MACHINE, REGION, Stage
from tests.aws.setup_checks import GPU_ON_DEMAND, GPU_SPOT, check, states


def test_missing_rights_are_named_together(aws: Stage, tmp_path: Path) -> None:
    aws.front.rights.deny("ec2:RunInstances", "ec2:TerminateInstances", "ec2:DescribeSubnets")
    results = check(aws, tmp_path)
    assert states(results) == {"Network": "failed", "Rights": "failed"}
    assert results["Rights"].text == "Missing: ec2:DescribeSubnets, ec2:RunInstances, ec2:TerminateInstances"
    assert "cloudrender policy" in results["Rights"].hint


def test_right_that_an_organization_forbids(aws: Stage, tmp_path: Path) -> None:
    text = (
        "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/anna is not authorized "
        f"to perform: ec2:RunInstances on resource: arn:aws:ec2:{REGION}:123456789012:instance/* with an explicit deny "
        "in a service control policy. Encoded authorization failure message: abc"
    )
    aws.fault("ec2:RunInstances", "UnauthorizedOperation", message=text, status=403)
    rights = check(aws, tmp_path)["Rights"]
    assert rights.state is CheckState.FAILED and "organization" in rights.text and "ec2:RunInstances" in rights.text


def test_right_to_the_first_spot_machine(aws: Stage, tmp_path: Path) -> None:
    aws.fault("ec2:RunInstances", "AuthFailure.ServiceLinkedRoleCreationNotPermitted", status=403)
    assert check(aws, tmp_path)["Rights"].text == "Missing: iam:CreateServiceLinkedRole"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("ec2:TerminateInstances", "InvalidInstanceID.NotFound"),
        ("ec2:DeleteVolume", "InvalidVolume.NotFound"),
        ("ec2:DeleteSecurityGroup", "InvalidGroup.NotFound"),
        ("ec2:RunInstances", "VPCIdNotSpecified"),
    ],
)
def test_call_that_got_past_the_rights_is_granted(aws: Stage, tmp_path: Path, action: str, code: str) -> None:
    aws.fault(action, code)
    assert states(check(aws, tmp_path)) == {}


@pytest.mark.parametrize(("purchase", "tries"), [("spot", 1), ("spot-then-on-demand", 2), ("on-demand", 1)])
def test_each_way_to_buy_is_tried(aws: Stage, tmp_path: Path, purchase: str, tries: int) -> None:
    assert states(check(aws, tmp_path, purchase=purchase)) == {}
    markets = [given.get("InstanceMarketOptions.MarketType") for name, given in aws.front.calls if "RunInst" in name]
    assert len(markets) == tries and ("spot" in markets) == (purchase != "on-demand")


@pytest.mark.parametrize("value", [0, 3])
@pytest.mark.parametrize(("purchase", "code"), [("spot", GPU_SPOT), ("on-demand", GPU_ON_DEMAND)])
def test_quota_that_is_too_small(aws: Stage, tmp_path: Path, purchase: str, code: str, value: int) -> None:
    aws.front.quotas.values[code] = value
    results = check(aws, tmp_path, purchase=purchase)
    assert states(results) == {"Quota": "failed"}
    assert code in results["Quota"].text and f"may use {value}" in results["Quota"].text
    assert "Request Increase (`cloudrender quota --request`) asks AWS for 8" in results["Quota"].hint
    assert f"https://{REGION}.console.aws.amazon.com/servicequotas/" in results["Quota"].hint


def test_quota_that_was_asked_for_already(aws: Stage, tmp_path: Path) -> None:
    aws.front.quotas.values[GPU_SPOT] = 0
    request_increase(aws.account(), spot_quota(MACHINE), vcpus=8)
    results = check(aws, tmp_path)
    assert states(results) == {"Quota": "failed"}
    assert results["Quota"].hint.startswith("AWS was asked for 8 and has not answered yet (PENDING)")


def test_quota_that_only_the_console_knows(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, instance_type="x2idn.16xlarge")
    assert states(results)["Quota"] == "warning"
    assert "https://us-east-1.console.aws.amazon.com/servicequotas" in results["Quota"].hint


def test_quota_of_the_second_choice_only_warns(aws: Stage, tmp_path: Path) -> None:
    aws.front.quotas.values[GPU_ON_DEMAND] = 0
    results = check(aws, tmp_path, purchase="spot-then-on-demand")
    assert states(results) == {"Quota": "warning"}
    assert GPU_ON_DEMAND in results["Quota"].hint


def test_quota_that_the_user_may_not_see(aws: Stage, tmp_path: Path) -> None:
    aws.front.rights.deny("servicequotas:GetServiceQuota")
    results = check(aws, tmp_path)
    assert states(results) == {"Quota": "warning"}
    assert "not known" in results["Quota"].text and "servicequotas:GetServiceQuota" in results["Quota"].hint


def test_quota_that_aws_does_not_tell(aws: Stage, tmp_path: Path) -> None:
    aws.fault("servicequotas:GetServiceQuota", "NoSuchResourceException")
    results = check(aws, tmp_path)
    assert states(results) == {"Quota": "warning"}
    assert "https://" in results["Quota"].hint
