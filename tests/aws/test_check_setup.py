# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Setup: a tick for what is right, the next step for what is not, and nothing made or changed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloudrender_addon.backend.aws import network
from cloudrender_addon.backend.aws.limits import request_increase
from cloudrender_addon.backend.aws.quotas import spot_quota
from cloudrender_addon.backend.farms import check_looks
from cloudrender_addon.backend.farms.check import NAMES, CheckResult, CheckState, check_setup
from cloudrender_addon.backend.settings import Settings
from tests.aws.aws_stage import CALLER, EMPTY, MACHINE, REGION, Stage

GPU_SPOT, GPU_ON_DEMAND = "L-3819A6DF", "L-DB2E81BA"
NO_SUBNETS = "<DescribeSubnetsResponse><subnetSet/></DescribeSubnetsResponse>"

Results = dict[str, CheckResult]


def checks(aws: Stage, home: Path, **settings: Any) -> Iterator[CheckResult]:
    chosen = {"region": REGION, "checkip_url": aws.checkip_url, "home": home, **settings}
    return check_setup(Settings(**chosen))


def check(aws: Stage, home: Path, **settings: Any) -> Results:
    """Run all checks; whatever is wrong, each comes in its turn, says something, and has a next step."""
    results = list(checks(aws, home, **settings))
    assert tuple(result.name for result in results) == NAMES
    for result in results:
        assert result.text and "\n" not in result.text + result.hint
        assert bool(result.hint) == (result.state in (CheckState.WARNING, CheckState.FAILED))
    assert aws.everything() == EMPTY
    return {result.name: result for result in results}


def states(results: Results) -> dict[str, str]:
    """Return the state of each check that is not fine."""
    return {name: result.state.value for name, result in results.items() if result.state is not CheckState.OK}


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
    return ec2.create_subnet(VpcId=vpc, CidrBlock=cidr)["Subnet"]["SubnetId"]


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
