# SPDX-License-Identifier: GPL-3.0-or-later
"""The account: its region, its profile, its clients."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from cloudrender_addon import __version__
from cloudrender_addon.backend.aws.session import Account
from cloudrender_addon.backend.errors import ConfigError, CredentialsError, UnreachableError
from tests.aws.aws_stage import Stage


def test_no_region_anywhere_says_how_to_set_one(aws: Stage) -> None:
    with pytest.raises(ConfigError) as caught:
        _ = Account(profile=None, region=None).region
    assert "region" in caught.value.message
    assert "Region (--region), such as us-east-1" in caught.value.hint


def test_region_comes_from_the_profile(aws: Stage) -> None:
    (aws.home / "config").write_text("[profile studio]\nregion = eu-north-1\n")
    assert Account(profile="studio", region=None).region == "eu-north-1"
    assert Account(profile="studio", region="us-west-2").region == "us-west-2"


def test_region_comes_from_the_environment(aws: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-south-1")
    assert Account(profile=None, region=None).region == "ap-south-1"


def test_region_that_is_none(aws: Stage) -> None:
    with pytest.raises(ConfigError, match="not an AWS region"):
        _ = Account(profile=None, region="us east").ec2


def test_unknown_profile_is_named(aws: Stage) -> None:
    with pytest.raises(ConfigError, match="profile named nobody"):
        _ = Account(profile="nobody", region="us-east-1").ec2


def test_unknown_profile_of_the_environment_is_named(aws: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    with pytest.raises(ConfigError, match="profile named somebody"):
        _ = Account(profile=None, region="us-east-1").ec2


def test_damaged_configuration(aws: Stage) -> None:
    (aws.home / "config").write_text("[profile studio\nregion")
    with pytest.raises(ConfigError, match="configuration of this computer"):
        _ = Account(profile=None, region="us-east-1").ec2


@pytest.fixture
def keyless(aws: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Take the credentials from the environment: there is nothing but the files in its home."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return aws


def ask(profile: str | None, region: str | None) -> None:
    account = Account(profile=profile, region=region)
    with account.calling("ec2:DescribeImages"):
        account.ec2.describe_images()


@pytest.mark.parametrize("profile", [None, "studio"])
@pytest.mark.parametrize("region", [None, "us-east-1"])
def test_who_has_nothing_is_told_the_whole_next_step(keyless: Stage, profile: str | None, region: str | None) -> None:
    with pytest.raises(CredentialsError, match="AWS is not set up on this computer") as caught:
        ask(profile, region)
    name = profile or "cloudrender"
    assert (
        f"`aws configure --profile {name}` with the access key" in caught.value.hint and "README" in caught.value.hint
    )
    assert "a region" in caught.value.hint and f"Profile (--profile) to {name}" in caught.value.hint


@pytest.mark.parametrize("region", [None, "us-east-1"])
def test_who_has_profiles_and_chose_none_is_told_their_names(keyless: Stage, region: str | None) -> None:
    keys = "aws_access_key_id = testing\naws_secret_access_key = testing\n"
    (keyless.home / "credentials").write_text(f"[studio]\n{keys}[cloudrender]\n{keys}")
    with pytest.raises(ConfigError, match="No AWS profile is chosen") as caught:
        ask(None, region)
    assert caught.value.hint == "Set Profile (--profile) to one of these: cloudrender, studio"


@pytest.mark.parametrize("region", [None, "us-east-1"])
def test_a_profile_without_keys(keyless: Stage, region: str | None) -> None:
    (keyless.home / "config").write_text("[profile studio]\noutput = json\n")
    with pytest.raises(CredentialsError, match="No AWS credentials were found") as caught:
        ask("studio", region)
    assert "`aws configure --profile studio`" in caught.value.hint


def test_warm_up_leaves_the_error_to_the_first_call(aws: Stage) -> None:
    account = Account(profile="nobody", region="us-east-1")
    account.warm_up()
    with pytest.raises(ConfigError):
        _ = account.ec2


def test_threads_share_one_client(aws: Stage) -> None:
    account = Account(profile=None, region="us-east-1")
    start, seen = threading.Barrier(6), []

    def ask() -> None:
        start.wait()
        seen.append((account.ec2, account.ssm))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 6
    assert len({(id(ec2), id(ssm)) for ec2, ssm in seen}) == 1


def test_calls_say_who_makes_them_and_give_up(aws: Stage) -> None:
    config = aws.account().ec2.meta.config
    assert f"cloudrender/{__version__}" in config.user_agent
    assert (config.connect_timeout, config.read_timeout) == (5, 20)
    aws.fault("ec2:DescribeImages", "Unavailable", status=503, times=9)
    with pytest.raises(UnreachableError), aws.account().calling("ec2:DescribeImages"):
        aws.account().ec2.describe_images()
    assert aws.count("ec2:DescribeImages") == 4


def test_boto3_is_imported_only_when_it_is_used() -> None:
    code = (
        "import sys\n"
        "from cloudrender_addon.backend.aws import inventory, session\n"
        "session.Account(profile=None, region='us-east-1').region\n"
        "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
