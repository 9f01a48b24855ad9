# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Setup: a tick for what is right, the next step for what is not, and nothing made or changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.farms import check_looks
from cloudrender_addon.backend.farms.check import NAMES
from tests.aws.aws_stage import CALLER, MACHINE, REGION, Stage
from tests.aws.setup_checks import GPU_SPOT, check, checks, states


def test_all_is_ready(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path)
    assert states(results) == {}
    assert "123456789012" in results["Credentials"].text and REGION in results["Credentials"].text
    assert CALLER in results["Network"].text
    assert "NVIDIA T4" in results["Machine Type"].text
    assert "75 GB" in results["Image"].text
    assert "needed 4" in results["Quota"].text
    assert "an hour spot" in results["Price"].text
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_results_come_as_they_are_known(aws: Stage, tmp_path: Path) -> None:
    results = checks(aws, tmp_path)
    assert next(results).name == "Credentials"
    assert aws.front.actions() == ["sts:GetCallerIdentity"]
    assert next(results).name == "Network"
    assert aws.front.actions()[1:] == ["ec2:DescribeSubnets"]


ALL_BUT_KEY = {name: "skipped" for name in NAMES if name != "Key"} | {"Credentials": "failed"}


def test_no_credentials(aws: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    results = check(aws, tmp_path)
    assert states(results) == ALL_BUT_KEY
    assert "aws configure" in results["Credentials"].hint
    assert results["Price"].text == "Not checked: Credentials comes first"


def test_login_that_has_expired_names_the_command(aws: Stage, tmp_path: Path) -> None:
    (aws.home / "config").write_text(
        "[profile studio]\nsso_session = house\nsso_account_id = 123456789012\nsso_role_name = Artist\n"
        "[sso-session house]\nsso_region = us-east-1\nsso_start_url = https://house.awsapps.com/start\n"
    )
    results = check(aws, tmp_path, profile="studio")
    assert states(results) == ALL_BUT_KEY
    assert "aws sso login --profile studio" in results["Credentials"].hint


@pytest.mark.parametrize(
    ("code", "word"), [("ExpiredToken", "aws sso login"), ("InvalidClientTokenId", "aws configure")]
)
def test_credentials_that_aws_refuses(aws: Stage, tmp_path: Path, code: str, word: str) -> None:
    aws.fault("sts:GetCallerIdentity", code, status=403)
    results = check(aws, tmp_path)
    assert states(results) == ALL_BUT_KEY
    assert word in results["Credentials"].hint


def test_no_region(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, region=None)
    assert states(results) == ALL_BUT_KEY
    assert "--region" in results["Credentials"].hint


def test_unknown_profile(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, profile="nobody")
    assert states(results) == ALL_BUT_KEY
    assert "nobody" in results["Credentials"].text


def test_no_network_at_all(aws: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    results = check(aws, tmp_path)
    assert states(results) == ALL_BUT_KEY
    assert "internet connection" in results["Credentials"].hint


def test_profile_is_named(aws: Stage, tmp_path: Path) -> None:
    (aws.home / "credentials").write_text("[studio]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    assert "profile studio" in check(aws, tmp_path, profile="studio")["Credentials"].text


@pytest.mark.parametrize(
    ("arn", "who"),
    [
        ("iam::123456789012:user/team/anna", "user anna"),
        ("sts::123456789012:assumed-role/AWSReservedSSO_Artist_0a1b/anna@house", "role AWSReservedSSO_Artist_0a1b"),
        ("sts::123456789012:federated-user/anna", "federated-user anna"),
        ("iam::123456789012:root", "root user"),
    ],
)
def test_who_calls(aws: Stage, tmp_path: Path, arn: str, who: str) -> None:
    answer = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Arn>arn:aws:{arn}</Arn><UserId>A</UserId><Account>123456789012</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    aws.fault("sts:GetCallerIdentity", body=answer)
    results = check(aws, tmp_path)
    assert f", {who}," in results["Credentials"].text
    assert states(results) == ({"Credentials": "warning"} if who == "root user" else {})


def test_unknown_type(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, instance_type="g9x.huge")
    assert states(results) == {"Machine Type": "failed", "Image": "skipped", "Quota": "skipped", "Price": "skipped"}
    assert "g9x.huge" in results["Machine Type"].text
    assert results["Price"].text == "Not checked: Machine Type comes first"


def test_type_that_the_region_does_not_have(aws: Stage, tmp_path: Path) -> None:
    aws.fault("ec2:DescribeInstanceTypes", "InvalidInstanceType", when=lambda given: "DryRun" not in given)
    results = check(aws, tmp_path, instance_type="g6e.xlarge")
    assert results["Machine Type"].text == f"AWS does not offer g6e.xlarge in {REGION}"
    assert "Region (--region)" in results["Machine Type"].hint


SOLD_ON_DEMAND_ONLY = (
    "<DescribeInstanceTypesResponse><instanceTypeSet><item><instanceType>c5.metal</instanceType>"
    "<supportedUsageClasses><item>on-demand</item></supportedUsageClasses>"
    "<processorInfo><supportedArchitectures><item>x86_64</item></supportedArchitectures></processorInfo>"
    "<vCpuInfo><defaultVCpus>8</defaultVCpus></vCpuInfo></item></instanceTypeSet></DescribeInstanceTypesResponse>"
)


@pytest.mark.parametrize(("purchase", "state"), [("spot", "failed"), ("spot-then-on-demand", "warning")])
def test_type_that_is_not_sold_as_spot(aws: Stage, tmp_path: Path, purchase: str, state: str) -> None:
    aws.fault("ec2:DescribeInstanceTypes", body=SOLD_ON_DEMAND_ONLY, times=9, when=lambda given: "DryRun" not in given)
    results = check(aws, tmp_path, instance_type="c5.metal", purchase=purchase)
    assert states(results)["Machine Type"] == state
    assert "on-demand" in results["Machine Type"].hint


def test_unknown_image(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, image="ami-0123456789abcdef0")
    assert states(results) == {"Image": "failed", "Price": "skipped"}
    assert "ami-0123456789abcdef0" in results["Image"].text


@pytest.mark.parametrize(
    ("code", "cause", "step"),
    [
        ("PendingVerification", "verifying", "four hours"),
        ("Blocked", "AWS has blocked your account", "https://console.aws.amazon.com/support"),
        ("OptInRequired", "not signed up", "https://console.aws.amazon.com"),
    ],
)
def test_account_that_is_not_ready(aws: Stage, tmp_path: Path, code: str, cause: str, step: str) -> None:
    aws.fault("ec2:RunInstances", code, status=403)
    results = check(aws, tmp_path)
    assert states(results) == {"Rights": "failed"}
    assert cause in results["Rights"].text and step in results["Rights"].hint


def test_region_that_does_not_exist(aws: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    results = check(aws, tmp_path, region="eu-centrl-1")
    assert states(results) == ALL_BUT_KEY
    assert results["Credentials"].text == "There is no AWS region eu-centrl-1"
    assert "eu-central-1" in results["Credentials"].hint


def test_folder_for_keys_that_cannot_be_made(aws: Stage, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    results = check(aws, tmp_path / "file")
    assert states(results) == {"Key": "failed"}
    assert "CLOUDRENDER_HOME" in results["Key"].hint


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such bits")
def test_disk_that_keeps_no_rights(aws: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = check_looks.create_key

    def on_a_usb_stick(path: Path, *, comment: str) -> Any:
        made = create(path, comment=comment)
        path.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
        return made

    monkeypatch.setattr(check_looks, "create_key", on_a_usb_stick)
    results = check(aws, tmp_path)
    assert states(results) == {"Key": "warning"}
    assert "CLOUDRENDER_HOME" in results["Key"].hint


def test_prices_of_both_ways_to_buy(aws: Stage, tmp_path: Path) -> None:
    text = check(aws, tmp_path, purchase="spot-then-on-demand")["Price"].text
    assert "an hour spot or $0.540 an hour on-demand" in text  # 0.526, and 0.009 for 85 GB, and 0.005


def test_price_list_that_the_user_may_not_see(aws: Stage, tmp_path: Path) -> None:
    aws.front.rights.deny("pricing:GetProducts")
    results = check(aws, tmp_path, purchase="spot-then-on-demand")
    assert states(results) == {"Price": "warning"}
    assert "pricing:GetProducts" in results["Price"].text + results["Price"].hint
    assert states(check(aws, tmp_path, purchase="on-demand")) == {"Price": "failed"}  # nor would a job start


def test_type_without_a_price(aws: Stage, tmp_path: Path) -> None:
    aws.fault(
        "ec2:DescribeSpotPriceHistory",
        body="<DescribeSpotPriceHistoryResponse><spotPriceHistorySet/></DescribeSpotPriceHistoryResponse>",
        when=lambda given: "DryRun" not in given,
    )
    results = check(aws, tmp_path)
    assert states(results) == {"Price": "failed"}
    assert MACHINE in results["Price"].text


def test_every_type_that_would_do_is_looked_at(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, instance_type="g4dn.xlarge,c5.large")
    assert states(results) == {}
    for name in ("Machine Type", "Price"):
        assert "g4dn.xlarge: " in results[name].text and "c5.large: " in results[name].text
    assert "NVIDIA" in results["Image"].text and "Ubuntu (" in results["Image"].text


def test_type_that_cannot_be_had_only_warns_while_another_can(aws: Stage, tmp_path: Path) -> None:
    aws.front.quotas.values[GPU_SPOT] = 0
    results = check(aws, tmp_path, instance_type="g4dn.xlarge,c5.large,p3.2xlarge")
    assert states(results) == {"Machine Type": "warning", "Quota": "warning"}
    assert "AWS does not offer p3.2xlarge in us-east-1" in results["Machine Type"].text
    assert "c5.large: 2 vCPUs" in results["Machine Type"].text
    assert GPU_SPOT in results["Quota"].text
    assert "p3.2xlarge" not in results["Price"].text


def test_type_that_does_not_exist_is_an_error_as_it_is_for_a_render(aws: Stage, tmp_path: Path) -> None:
    results = check(aws, tmp_path, instance_type="c5.large,x9.huge")
    assert states(results)["Machine Type"] == "failed"
    assert "no machine type x9.huge" in results["Machine Type"].text
