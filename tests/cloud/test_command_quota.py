# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender quota` by the real command: how the account stands, and one request for more."""

from __future__ import annotations

import json

import pytest

from cloudrender_addon.backend.aws.policy import policy_text
from tests.cloud.command import Project
from tests.cloud.test_command_refuses import check_explained
from tests.localcloud.cloud import REGION, Cloud

GPU_SPOT = "L-3819A6DF"


def requests(cloud: Cloud) -> int:
    return [action for _, action in cloud.calls].count("RequestServiceQuotaIncrease")


def test_from_a_quota_of_zero_to_a_larger_one(cloud: Cloud, project: Project) -> None:
    cloud.rights.limit_to(json.loads(policy_text()))
    cloud.quotas.values[GPU_SPOT] = 0
    shown = project.run("quota")
    assert shown.code == 1 and "cloudrender quota --request" in shown.out, shown.err
    assert f"({GPU_SPOT}) in {REGION}: 0 vCPUs, 0 in use; g4dn.xlarge needs 4" in shown.out
    unasked = project.run("quota", "--request")
    assert unasked.code == 1 and "Ask AWS for 8 vCPUs" in unasked.err and "Nothing was asked for" in unasked.err
    assert requests(cloud) == 0
    asked = project.run("quota", "--request", "-y")
    assert asked.code == 0 and "AWS was asked for 8 vCPUs" in asked.err and "PENDING" in asked.err
    again = project.run("quota", "--request", 32, "-y")
    assert again.code == 0 and "asked already for 8 vCPUs" in again.err
    assert requests(cloud) == 1
    assert "asked for 8 and has not answered yet (PENDING)" in project.run("check-setup").out
    cloud.quotas.decide("APPROVED")
    shown = project.run("quota")
    assert shown.code == 0 and "8 vCPUs, 0 in use" in shown.out and "→" not in shown.out


def test_a_quota_that_is_enough_is_only_raised_by_name(cloud: Cloud, project: Project) -> None:
    enough = project.run("quota", "--request", "-y")
    assert enough.code == 0 and "That is enough" in enough.err and requests(cloud) == 0
    check_explained(project.run("quota", "--request", 64, "-y"), 2, "64 or more already")
    assert project.run("quota", "--request", 65, "-y").code == 0 and cloud.quotas.requests[0]["DesiredValue"] == 65


def test_the_missing_right_is_named(cloud: Cloud, project: Project) -> None:
    cloud.quotas.values[GPU_SPOT] = 0
    cloud.rights.deny("servicequotas:RequestServiceQuotaIncrease")
    check_explained(project.run("quota", "--request", "-y"), 1, "servicequotas:RequestServiceQuotaIncrease")


def test_for_programs(cloud: Cloud, project: Project) -> None:
    result = project.run("quota", "--json", "-c", "c7i.large", "--purchase", "spot-then-on-demand")
    assert [json.loads(line)["code"] for line in result.out.splitlines()] == ["L-34B43A08", "L-1216C47A"]
    assert json.loads(result.out.splitlines()[0]) == {
        "name": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
        "code": "L-34B43A08",
        "url": f"https://{REGION}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/L-34B43A08",
        "types": ["c7i.large"],
        "needed": 2,
        "value": 64,
        "in_use": 0,
        "asked": None,
    }


@pytest.mark.parametrize("arguments", [["--request", "x"], ["--request", "0"], ["--image", "auto"]])
def test_wrong_usage(cloud: Cloud, project: Project, arguments: list[str]) -> None:
    assert project.run("quota", *arguments).code == 2 and not cloud.calls


def test_a_refused_launch_names_quota_number_and_command(cloud: Cloud, project: Project) -> None:
    cloud.quotas.values[GPU_SPOT] = 0
    result = project.run("-f", 1)
    check_explained(
        result, 1, GPU_SPOT, "All G and VT Spot Instance Requests", "4 vCPUs", "cloudrender quota --request"
    )
