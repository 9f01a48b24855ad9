# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/iam-policy.json: exactly what is called, and no more power than that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudrender_addon.backend.aws import inventory
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.farms import ec2_reach
from tests.aws.aws_stage import Stage
from tests.aws.ec2_rig import LINK, REFUSED, Door, farm_on, rent, request, soon
from tests.aws.test_aws_inventory import CANCELLED, OPEN_REQUEST


def test_policy_allows_exactly_what_is_called(
    aws: Stage, tmp_path: Path, door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ec2_reach, "_MOVED_EVERY", 0.0)
    door(REFUSED, LINK)
    farm = farm_on(aws, tmp_path)
    machine, _ = farm.connect(rent(farm), cancel=CancelToken(), deadline=soon())
    farm.status(machine)
    farm_on(aws, tmp_path).launch(machine)  # as after a crash: the group is looked up
    farm.release(machine)
    farm.plan(request(launch="t2", on_demand=True))
    tags = {"cloudrender:job": "job-1"}.items()
    lost = aws.account().ec2.create_volume(
        AvailabilityZone="us-east-1a",
        Size=8,
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": key, "Value": value} for key, value in tags]}],
    )
    aws.front.calls = [call for call in aws.front.calls if call[0] != "ec2:CreateVolume"]  # the test's own
    aws.fault("ec2:DescribeSpotInstanceRequests", body=OPEN_REQUEST)
    aws.fault("ec2:CancelSpotInstanceRequests", body=CANCELLED)
    found = inventory.list_ours(aws.account())
    assert [each.id for each in found] == ["sir-1234", lost["VolumeId"]]
    inventory.end(aws.account(), found)

    policy = json.loads((Path(__file__).parents[2] / "docs" / "iam-policy.json").read_text())
    allowed = {
        action
        for statement in policy["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    implied = {
        "ec2:CreateTags",  # for the tags given with RunInstances, ImportKeyPair and CreateSecurityGroup
        "iam:CreateServiceLinkedRole",  # by EC2 for the user, at the first spot machine of an account
    }
    assert allowed - implied == set(aws.front.actions())
    assert implied <= allowed


def test_policy_ends_only_what_is_ours() -> None:
    policy = json.loads((Path(__file__).parents[2] / "docs" / "iam-policy.json").read_text())
    for statement in policy["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert statement["Effect"] == "Allow"
        if statement["Resource"] == "*":
            assert all(action.startswith(("ec2:Describe", "pricing:Get")) for action in actions)
        if any(word in action for action in actions for word in ("Terminate", "Delete", "Cancel", "Authorize")):
            assert statement["Condition"] == {"StringLike": {"aws:ResourceTag/cloudrender:job": "*"}}


def test_policy_fits_into_a_managed_policy() -> None:
    policy = json.loads((Path(__file__).parents[2] / "docs" / "iam-policy.json").read_text())
    assert len(json.dumps(policy, separators=(",", ":"))) <= 6144  # IAM and AWS STS quotas, characters
