# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender check-setup` by the real command: a line for each check, the next step below, the right exit code."""

from __future__ import annotations

import json

import pytest

from cloudrender_addon.backend.aws.policy import policy_text
from cloudrender_addon.backend.farms.check import NAMES
from tests.cloud.command import Project
from tests.localcloud.cloud import REGION, Cloud

POLICY = json.loads(policy_text())


def test_all_is_ready_with_the_policy_alone(cloud: Cloud, project: Project) -> None:
    cloud.rights.limit_to(POLICY)
    result = project.run("check-setup")
    lines = result.out.splitlines()
    assert result.code == 0 and result.err == ""
    assert [line[:15] for line in lines[:-2]] == [f"✓ {name:<13}" for name in NAMES]
    assert lines[-1] == "Ready to render"
    assert not cloud.machines


def test_what_is_wrong_has_its_next_step_below(cloud: Cloud, project: Project) -> None:
    cloud.rights.deny("ec2:TerminateInstances", "servicequotas:GetServiceQuota")
    result = project.run("check-setup", "-c", "c5.large", "--purchase", "on-demand")
    lines = result.out.splitlines()
    assert result.code == 1
    wrong = [number for number, line in enumerate(lines) if line[:1] in "!✗" and line]
    assert [lines[number].split()[:2] for number in wrong] == [["✗", "Rights"], ["!", "Quota"]]
    assert all(lines[number + 1].strip().startswith("→ ") for number in wrong)
    assert "ec2:TerminateInstances" in lines[wrong[0]] and "cloudrender policy" in lines[wrong[0] + 1]
    assert lines[-1].startswith("1 of the checks failed")


def test_quota_of_zero(cloud: Cloud, project: Project) -> None:
    cloud.quotas.values["L-3819A6DF"] = 0
    result = project.run("check-setup")
    assert result.code == 1 and f"https://{REGION}.console.aws.amazon.com/servicequotas/" in result.out
    assert project.run("-f", 1).code == 1  # as foretold
    assert not cloud.machines


def test_for_programs(cloud: Cloud, project: Project) -> None:
    result = project.run("check-setup", "--json", "--image", "ami-00000000000000000")
    checks = {each["name"]: each for each in map(json.loads, result.out.splitlines())}
    assert result.code == 1 and tuple(checks) == NAMES
    assert {name: each["state"] for name, each in checks.items() if each["state"] != "ok"} == {
        "Image": "failed",
        "Price": "skipped",
    }
    assert "ami-00000000000000000" in checks["Image"]["text"] and checks["Image"]["hint"]


def test_nothing_is_known_of_aws(cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    result = project.run("check-setup")
    assert result.code == 1 and "aws configure" in result.out and "Traceback" not in result.out + result.err
    assert [line[0] for line in result.out.splitlines()[:-2] if "→" not in line] == ["✗", *"-----", "✓", "-"]


@pytest.mark.program
def test_a_console_that_knows_no_ticks(cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = project.run("check-setup")
    assert result.code == 0 and result.out.startswith("+ Credentials")


@pytest.mark.parametrize("arguments", [["check-setup", "x"], ["check-setup", "-f", "1"]])
def test_wrong_usage(cloud: Cloud, project: Project, arguments: list[str]) -> None:
    assert project.run(*arguments).code == 2 and not cloud.calls
