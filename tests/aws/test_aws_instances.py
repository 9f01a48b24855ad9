# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine: asked for once, found again, ended and seen ended."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest

from cloudrender_addon.backend.aws import instances, keypairs, network
from cloudrender_addon.backend.aws.images import NVIDIA_PARAMETER
from cloudrender_addon.backend.aws.instances import Instance, Order
from cloudrender_addon.backend.aws.user_data import LIMIT_BYTES, user_data
from cloudrender_addon.backend.errors import CapacityError, CleanupError, CloudError, PermissionsError, QuotaError
from tests.aws.aws_stage import MACHINE, Stage

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH8hUZ2oZcdTv2VcVbMOTSfPkg5RqFaUiRdB3ZbCvmXy"
NONE_FOUND = "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def order(aws: Stage, *, launch: str = "t1", subnet: str | None = None, on_demand: bool = False) -> Order:
    account = aws.account()
    site = network.find_site(account, subnet=None)
    return Order(
        token=launch,
        job_id="job-1",
        instance_type=MACHINE,
        on_demand=on_demand,
        vcpus=4,
        image_id=aws.images[NVIDIA_PARAMETER],
        root_device="/dev/sda1",
        volume_gb=90,
        key_name=keypairs.import_key(account, public=KEY, job_id="job-1", token=launch),
        group_id=network.make_group(account, site=site, job_id="job-1", token=launch),
        subnet_id=subnet,
        user_data="#!/bin/sh\n",
    )


def run(aws: Stage, *, launch: str = "t1") -> Instance:
    return instances.run(aws.account(), order(aws, launch=launch))


def asked(aws: Stage) -> dict[str, str]:
    return next(parameters for action, parameters in aws.front.calls if action == "ec2:RunInstances")


def test_what_is_asked_for(aws: Stage) -> None:
    instance = run(aws)
    asks = asked(aws)
    expected = {
        "ClientToken": "t1",
        "MinCount": "1",
        "MaxCount": "1",
        "InstanceType": MACHINE,
        "ImageId": aws.images[NVIDIA_PARAMETER],
        "KeyName": "cloudrender-t1",
        "InstanceMarketOptions.MarketType": "spot",
        "InstanceMarketOptions.SpotOptions.SpotInstanceType": "one-time",
        "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior": "terminate",
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
    assert "SubnetId" not in asks
    assert not any("MaxPrice" in name for name in asks)
    for number, kind in enumerate(("instance", "volume", "spot-instances-request"), start=1):
        assert asks[f"TagSpecification.{number}.ResourceType"] == kind
        assert asks[f"TagSpecification.{number}.Tag.1.Key"] == "cloudrender:job"
        assert asks[f"TagSpecification.{number}.Tag.1.Value"] == "job-1"
    assert instance.id.startswith("i-")
    assert instance.zone == "us-east-1a"


def test_on_demand_machine_is_asked_for_without_a_market(aws: Stage) -> None:
    instances.run(aws.account(), order(aws, on_demand=True))
    asks = asked(aws)
    assert not any("InstanceMarketOptions" in name for name in asks)
    kinds = [asks.get(f"TagSpecification.{number}.ResourceType") for number in (1, 2, 3)]
    assert kinds == ["instance", "volume", None]  # EC2 refuses tags for what is not made
    assert asks["InstanceInitiatedShutdownBehavior"] == "terminate"
    [instance] = aws.account().ec2.describe_instances()["Reservations"][0]["Instances"]
    assert "InstanceLifecycle" not in instance


def test_refusal_of_an_on_demand_machine_names_its_quota(aws: Stage) -> None:
    aws.fault("ec2:RunInstances", "VcpuLimitExceeded")
    with pytest.raises(QuotaError) as caught:
        instances.run(aws.account(), order(aws, on_demand=True))
    assert "g4dn.xlarge on-demand machine (4 vCPUs)" in caught.value.message
    assert "“Running On-Demand G and VT instances” (L-DB2E81BA)" in caught.value.message
    assert "quotas/L-DB2E81BA" in caught.value.hint


def test_given_subnet(aws: Stage) -> None:
    subnet = aws.account().ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    instances.run(aws.account(), order(aws, subnet=subnet))
    assert asked(aws)["SubnetId"] == subnet


def test_same_token_gives_the_same_machine(aws: Stage) -> None:
    assert run(aws).id == run(aws).id
    assert run(aws, launch="t2").id != run(aws).id
    assert len(aws.everything()["instances"]) == 2


def test_lost_answer_is_asked_for_again_and_gives_one_machine(aws: Stage) -> None:
    aws.fault("ec2:RunInstances", "InternalError", status=500, after=True)
    instance = run(aws)
    assert aws.count("ec2:RunInstances") == 2
    assert aws.everything()["instances"] == [instance.id]


@pytest.mark.parametrize("code", ["InvalidKeyPair.NotFound", "InvalidGroup.NotFound"])
def test_key_or_group_that_is_not_known_everywhere_yet(aws: Stage, code: str) -> None:
    aws.fault("ec2:RunInstances", code, times=2)
    run(aws)
    assert aws.count("ec2:RunInstances") == 3


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("MaxSpotInstanceCountExceeded", QuotaError, "g4dn.xlarge spot machine (4 vCPUs) in us-east-1"),
        ("InsufficientInstanceCapacity", CapacityError, "g4dn.xlarge spot machine to give in us-east-1"),
        ("UnauthorizedOperation", PermissionsError, "ec2:RunInstances"),
    ],
)
def test_refusal_names_what_was_asked_for(aws: Stage, code: str, kind: type[CloudError], words: str) -> None:
    aws.fault("ec2:RunInstances", code, times=9)
    with pytest.raises(kind) as caught:
        run(aws)
    assert words in caught.value.message


def test_describe(aws: Stage) -> None:
    instance = run(aws)
    found = instances.describe(aws.account(), instance.id)
    assert found is not None
    assert (found.id, found.state) == (instance.id, "running")
    assert found.public_address and found.private_address
    assert instances.describe(aws.account(), "i-0123456789abcdef0") is None


def test_launch_is_found_by_its_token_or_its_tags(aws: Stage) -> None:
    account, instance = aws.account(), run(aws)
    run(aws, launch="t2")

    def find() -> list[str]:
        return [each.id for each in instances.find_launched(account, token="t1", job_id="job-1")]

    assert find() == [instance.id]
    aws.fault("ec2:DescribeInstances", body=NONE_FOUND, when=lambda asks: asks["Filter.1.Name"] == "client-token")
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
    assert instances.explain("") == "no reason was given"


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
