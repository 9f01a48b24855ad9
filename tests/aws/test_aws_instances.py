# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine: found again, ended and seen ended."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest

from cloudrender_addon.backend.aws import instances, keypairs
from cloudrender_addon.backend.aws.user_data import LIMIT_BYTES, user_data
from cloudrender_addon.backend.errors import CleanupError, CloudError, PermissionsError
from tests.aws.aws_stage import Stage
from tests.aws.launches import KEY, run

NONE_FOUND = "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"


class NoClock(datetime.datetime):
    """What reads a time that is written somewhere, and knows none of its own."""

    @classmethod
    def now(cls, _zone: datetime.tzinfo | None = None) -> NoClock:
        raise AssertionError("this computer's clock was asked")


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def test_describe(aws: Stage) -> None:
    instance = run(aws)
    found = instances.describe(aws.account(), instance.id)
    assert found is not None
    assert (found.id, found.state) == (instance.id, "running")
    assert found.public_address and found.private_address
    assert found.type == "g4dn.xlarge" and found.age_seconds < 30 and found.lived_seconds is None
    assert instances.describe(aws.account(), "i-0123456789abcdef0") is None


def test_how_long_a_machine_lived_is_told_by_the_clock_of_ec2(aws: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    account, instance = aws.account(), run(aws)
    [held] = aws.backend.all_instances()
    held.launch_time -= datetime.timedelta(seconds=600)
    account.ec2.terminate_instances(InstanceIds=[instance.id])
    monkeypatch.setattr(instances, "datetime", NoClock)
    found = instances.describe(account, instance.id)
    assert found is not None
    assert found.lived_seconds == pytest.approx(600, abs=10) and found.age_seconds == pytest.approx(600, abs=10)
    held._reason = "Server.SpotInstanceTermination: Spot instance termination"  # some reasons tell no time
    found = instances.describe(account, instance.id)
    assert found is not None and found.lived_seconds is None


def test_launch_is_found_by_its_tags(aws: Stage) -> None:
    account, instance = aws.account(), run(aws)
    run(aws, launch="t2")

    def find() -> list[str]:
        return [each.id for each in instances.find_launched(account, token="t1", job_id="job-1")]

    assert find() == [instance.id]
    assert instances.find_launched(account, token="t3", job_id="job-1") == ()
    account.ec2.terminate_instances(InstanceIds=[instance.id])
    assert find() == [instance.id]  # else a search for it would go on until its deadline


def test_end_is_seen(aws: Stage) -> None:
    account, one, two = aws.account(), run(aws), run(aws, launch="t2")
    for each in (one, two):
        instances.ask_to_end(account, each.id, deadline=soon())
    instances.wait_until_ended(account, [one.id, two.id], deadline=soon())
    states = {each.id: each.state for each in instances.find_launched(account, token="t1", job_id="job-1")}
    assert states == {one.id: "terminated"}


def test_machine_that_ec2_does_not_know_yet_is_ended_all_the_same(aws: Stage) -> None:
    instance = run(aws)
    aws.fault("ec2:TerminateInstances", "InvalidInstanceID.NotFound", times=2)
    instances.ask_to_end(aws.account(), instance.id, deadline=soon())
    aws.fault("ec2:DescribeInstances", body=NONE_FOUND, times=2)  # not "gone": not seen yet
    instances.wait_until_ended(aws.account(), [instance.id], deadline=soon())
    assert aws.count("ec2:DescribeInstances") == 3
    assert aws.everything()["instances"] == []


def test_machine_that_ec2_has_forgotten_is_gone(aws: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "APPEAR_SECONDS", 0.3)
    instances.describe(aws.account(), "i-0123456789abcdef0")  # the first call of all takes longer than that
    instances.ask_to_end(aws.account(), "i-0123456789abcdef0", deadline=soon())
    instances.wait_until_ended(aws.account(), ["i-0123456789abcdef0"], deadline=soon())
    assert aws.count("ec2:TerminateInstances") > 1


def test_network_that_is_down_for_a_moment_does_not_stop_the_end(aws: Stage) -> None:
    instance = run(aws)
    aws.fault("ec2:TerminateInstances", "Unavailable", status=503, times=5)  # botocore gives up after four
    instances.ask_to_end(aws.account(), instance.id, deadline=soon())
    aws.fault("ec2:DescribeInstances", "Unavailable", status=503, times=5)
    instances.wait_until_ended(aws.account(), [instance.id], deadline=soon())
    assert aws.everything()["instances"] == []


def test_machine_that_does_not_end_is_named(aws: Stage) -> None:
    instance = run(aws)
    with pytest.raises(CleanupError) as caught:
        instances.wait_until_ended(aws.account(), [instance.id], deadline=soon(0.2))
    assert caught.value.resources == (instance.id,)
    assert f"{instance.id} (running)" in caught.value.message
    assert "clean-up" in caught.value.hint


def test_end_without_the_right_to_is_not_tried_again(aws: Stage) -> None:
    instance = run(aws)
    aws.fault("ec2:TerminateInstances", "UnauthorizedOperation", status=403, times=9)
    with pytest.raises(PermissionsError, match="ec2:TerminateInstances"):
        instances.ask_to_end(aws.account(), instance.id, deadline=soon())
    assert aws.count("ec2:TerminateInstances") == 1


def test_reasons_are_explained() -> None:
    assert instances.explain("Server.SpotInstanceTermination") == "AWS took the spot machine back"
    assert instances.explain("Client.Something") == "Client.Something"
    assert instances.explain("") == ""


def test_key_pair_is_tagged_and_deleted(aws: Stage) -> None:
    account = aws.account()
    for _ in range(2):
        assert keypairs.import_key(account, public=KEY, job_id="job-1", token="t1") == "cloudrender-t1"
    [found] = account.ec2.describe_key_pairs()["KeyPairs"]
    assert {"Key": "cloudrender:job", "Value": "job-1"} in found["Tags"]
    for _ in range(2):
        keypairs.delete_key(account, "cloudrender-t1")
    assert aws.everything()["keys"] == []


def parts(text: str) -> dict[str, Any]:
    import email
    import email.policy

    message = email.message_from_string(text, policy=email.policy.default)
    return {part.get_content_type(): part.get_content() for part in message.iter_parts()}


def test_user_data_is_what_cloud_init_reads() -> None:
    import yaml

    private = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----\n"
    script = "#!/bin/sh\necho hello\n"
    text = user_data(host_private=private, host_public=KEY, script=script)
    found = parts(text)
    assert list(found) == ["text/cloud-config", "text/x-shellscript"]
    assert found["text/cloud-config"].startswith("#cloud-config\n")
    assert yaml.safe_load(found["text/cloud-config"]) == {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": private, "ed25519_public": KEY},
    }
    assert found["text/x-shellscript"].strip() == script.strip()
    assert text == user_data(host_private=private, host_public=KEY, script=script)


@pytest.mark.parametrize("script", ["#" * LIMIT_BYTES, "echo grüße"])
def test_user_data_that_would_not_arrive(script: str) -> None:
    with pytest.raises(CloudError, match=str(LIMIT_BYTES)):
        user_data(host_private="x", host_public=KEY, script=script)
