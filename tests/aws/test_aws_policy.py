# SPDX-License-Identifier: GPL-3.0-or-later
"""iam-policy.json: exactly what is called, and no more power than that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.aws import inventory
from cloudrender_addon.backend.aws.enabled_regions import enabled_regions
from cloudrender_addon.backend.aws.policy import policy_text
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.farms import ec2_reach
from cloudrender_addon.backend.farms.check import CheckResult, CheckState, check_setup
from cloudrender_addon.backend.setting_values import Purchase
from cloudrender_addon.backend.settings import Settings
from tests.aws.aws_stage import EMPTY, REGION, Stage
from tests.aws.ec2_rig import LINK, REFUSED, Door, farm_on, rent, request, soon
from tests.aws.test_aws_inventory import CANCELLED, OPEN_REQUEST

POLICY = json.loads(policy_text())

IMPLIED = {
    "ec2:CreateTags",  # for the tags given with what a job makes
    "iam:CreateServiceLinkedRole",  # by EC2 for the user, at the first spot machine of an account
}
QUOTAS = {  # looked at by Check Setup and `cloudrender quota`: see test_quota.py
    "servicequotas:GetServiceQuota",
    "servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota",
    "servicequotas:RequestServiceQuotaIncrease",
}
UNNEEDED = {"ec2:DescribeSnapshots"}  # asked for by a clean-up, which goes on without: who makes no images has none


def actions(statement: dict[str, Any]) -> list[str]:
    return statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]


def allowed() -> set[str]:
    return {action for statement in POLICY["Statement"] for action in actions(statement)}


def a_whole_job(aws: Stage, keys: Path, door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do everything a job may do, and a clean-up."""
    monkeypatch.setattr(ec2_reach, "_MOVED_EVERY", 0.0)
    door(REFUSED, LINK)
    farm = farm_on(aws, keys)
    machine, _ = farm.connect(rent(farm), cancel=CancelToken(), deadline=soon())
    farm.status(machine)
    farm_on(aws, keys).launch(machine)  # as after a crash: the group is looked up
    farm.release(machine)
    farm.plan(request(launch="t2", on_demand=True))
    aws.fault("ec2:DescribeSpotInstanceRequests", body=OPEN_REQUEST)
    aws.fault("ec2:CancelSpotInstanceRequests", body=CANCELLED)
    lost = aws.backend.create_volume(size=8, zone_name="us-east-1a")
    lost.add_tags({"cloudrender:job": "job-1"})
    found = inventory.list_ours(aws.account())
    assert [each.id for each in found] == ["sir-1234", lost.id]
    inventory.end(aws.account(), found)
    assert REGION in enabled_regions(aws.account())


def check(aws: Stage, home: Path) -> dict[str, CheckResult]:
    settings = Settings(region=REGION, checkip_url=aws.checkip_url, home=home)
    return {result.name: result for result in check_setup(settings)}


def test_policy_allows_exactly_what_is_called(
    aws: Stage, tmp_path: Path, door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_whole_job(aws, tmp_path, door, monkeypatch)
    assert allowed() - IMPLIED - QUOTAS == set(aws.front.actions()) - UNNEEDED
    assert allowed() >= IMPLIED


def test_a_job_gets_along_with_the_policy_alone(
    aws: Stage, tmp_path: Path, door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.front.rights.limit_to(POLICY)
    a_whole_job(aws, tmp_path, door, monkeypatch)
    assert aws.everything() == EMPTY


@pytest.mark.parametrize("purchase", ["spot", "on-demand"])
def test_check_setup_is_content_with_the_policy_alone(aws: Stage, tmp_path: Path, purchase: Purchase) -> None:
    aws.front.rights.limit_to(POLICY)
    settings = Settings(region=REGION, checkip_url=aws.checkip_url, home=tmp_path, purchase=purchase)
    assert [result for result in check_setup(settings) if result.state is not CheckState.OK] == []


def test_check_setup_tries_every_call_of_a_job(
    aws: Stage, tmp_path: Path, door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(aws, tmp_path)
    tried = {action for action, parameters in aws.front.calls if parameters.get("DryRun") == "true"}
    aws.front.calls.clear()
    a_whole_job(aws, tmp_path, door, monkeypatch)
    assert tried == {action for action in aws.front.actions() if action.startswith("ec2:")} - UNNEEDED


@pytest.mark.parametrize("action", sorted(action for action in allowed() if action.startswith("ec2:")))
def test_check_setup_names_each_right_the_policy_lacks(aws: Stage, tmp_path: Path, action: str) -> None:
    less = [
        {**statement, "Action": [a for a in actions(statement) if a != action]} for statement in POLICY["Statement"]
    ]
    aws.front.rights.limit_to({"Statement": less})
    result = check(aws, tmp_path)["Rights"]
    assert (result.state, result.text) == (CheckState.FAILED, f"Missing: {action}")
    assert "cloudrender policy" in result.hint


@pytest.mark.parametrize("kind", ["instance", "volume", "network-interface", "security-group", "subnet"])
def test_check_setup_knows_on_what_a_fleet_needs_its_right(aws: Stage, tmp_path: Path, kind: str) -> None:
    less = [
        {**each, "Resource": [r for r in each["Resource"] if f":{kind}/" not in r]}
        if each["Sid"] == "ByAskingManyZonesAtOnce"
        else each
        for each in POLICY["Statement"]
    ]
    aws.front.rights.limit_to({"Statement": less})
    assert check(aws, tmp_path)["Rights"].text == "Missing: ec2:CreateFleet"


def test_policy_ends_only_what_is_ours() -> None:
    for statement in POLICY["Statement"]:
        assert statement["Effect"] == "Allow"
        if statement["Resource"] == "*":
            reading = ("ec2:Describe", "pricing:Get", "servicequotas:Get", "servicequotas:List")
            assert all(action.startswith(reading) for action in actions(statement))
        elif statement["Sid"] == "TryTheseOnWhatDoesNotExist":
            names = [resource.rpartition("/")[2] for resource in statement["Resource"]]
            assert all(re.fullmatch(r"(i|lt|sg|sir|vol)-0+|cloudrender-check-setup", name) for name in names)
        elif any(word in action for action in actions(statement) for word in ("Terminate", "Delete", "Cancel", "Auth")):
            assert statement["Condition"] == {"StringLike": {"aws:ResourceTag/cloudrender:job": "*"}}


def test_policy_fits_into_a_managed_policy() -> None:
    assert len(json.dumps(POLICY, separators=(",", ":"))) <= 6144  # IAM and AWS STS quotas, characters
