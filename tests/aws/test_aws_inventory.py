# SPDX-License-Identifier: GPL-3.0-or-later
"""What is ours is listed and ended: all of it, and nothing else."""

from __future__ import annotations

import time

import pytest

from cloudrender_addon.backend.aws import inventory, keypairs, network, volumes
from cloudrender_addon.backend.aws.inventory import Kind, Resource
from cloudrender_addon.backend.aws.tags import tagged
from cloudrender_addon.backend.errors import CleanupError, CloudError
from tests.aws.aws_stage import EMPTY, Stage
from tests.aws.launches import KEY, order, run

OPEN_REQUEST = (
    "<DescribeSpotInstanceRequestsResponse><spotInstanceRequestSet><item>"
    "<spotInstanceRequestId>sir-1234</spotInstanceRequestId><state>open</state>"
    "<status><code>capacity-not-available</code></status>"
    "<tagSet><item><key>cloudrender:job</key><value>job-1</value></item></tagSet>"
    "</item></spotInstanceRequestSet></DescribeSpotInstanceRequestsResponse>"
)
CANCELLED = "<CancelSpotInstanceRequestsResponse><spotInstanceRequestSet/></CancelSpotInstanceRequestsResponse>"


def strangers(aws: Stage) -> dict[str, list[str]]:
    """Make one of everything that is not ours, and return what now exists."""
    ec2 = aws.account().ec2
    tags = [{"Key": "Name", "Value": "cloudrender job-1"}, {"Key": "job", "Value": "job-1"}]
    ec2.run_instances(
        ImageId=next(iter(aws.images.values())),
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],  # type: ignore[list-item]
    )
    ec2.create_key_pair(KeyName="cloudrender-mine")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    ec2.create_launch_template(LaunchTemplateName="cloudrender-mine", LaunchTemplateData={"ImageId": "ami-1"})
    ec2.create_security_group(GroupName="cloudrender-mine", Description="mine", VpcId=vpc)
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=8)
    return aws.everything()


def volume(aws: Stage) -> str:
    return aws.account().ec2.create_volume(
        AvailabilityZone="us-east-1a",
        Size=8,
        TagSpecifications=[tagged("volume", job_id="job-1", token="t1")],
    )["VolumeId"]


def test_ours_and_only_ours(aws: Stage) -> None:
    account = aws.account()
    others = strangers(aws)
    instance, lost = run(aws), volume(aws)
    found = inventory.list_ours(account)
    assert [(each.kind, each.job_id) for each in found] == [
        (Kind.INSTANCE, "job-1"),
        (Kind.VOLUME, "job-1"),
        (Kind.VOLUME, "job-1"),
        (Kind.TEMPLATE, "job-1"),
        (Kind.KEY_PAIR, "job-1"),
        (Kind.GROUP, "job-1"),
    ]
    machine, key = found[0], found[4]
    assert (machine.id, machine.state, machine.detail) == (instance.id, "running", "g4dn.xlarge")
    assert machine.age_seconds is not None and 0 <= machine.age_seconds < 60
    assert key.id == "cloudrender-t1"
    assert lost in [each.id for each in found]
    inventory.end(account, found, seconds=10)
    assert aws.everything() == others
    assert inventory.list_ours(account) == ()
    inventory.end(account, found, seconds=10)  # again: nothing to do, nothing to complain about
    assert aws.everything() == others


def test_one_job_and_one_launch(aws: Stage) -> None:
    account = aws.account()
    for job_id, launch in (("job-1", "t1"), ("job-1", "t2"), ("job-2", "t3")):
        keypairs.import_key(account, public=KEY, job_id=job_id, token=launch)

    def names(**which: str) -> list[str]:
        return [each.id for each in inventory.list_ours(account, **which)]  # type: ignore[arg-type]

    assert names() == ["cloudrender-t1", "cloudrender-t2", "cloudrender-t3"]
    assert names(job_id="job-1") == ["cloudrender-t1", "cloudrender-t2"]
    assert names(token="t2") == ["cloudrender-t2"]
    assert names(job_id="job-9") == []


def test_only_the_kinds_asked_for(aws: Stage) -> None:
    order(aws)
    assert [each.kind for each in inventory.list_ours(aws.account(), kinds=(Kind.GROUP,))] == [Kind.GROUP]
    assert aws.count("ec2:DescribeKeyPairs") == 0


def test_open_spot_request_is_cancelled(aws: Stage) -> None:
    aws.fault("ec2:DescribeSpotInstanceRequests", body=OPEN_REQUEST)
    aws.fault("ec2:CancelSpotInstanceRequests", body=CANCELLED)
    [request] = inventory.list_ours(aws.account())
    assert (request.kind, request.id, request.job_id) == (Kind.SPOT_REQUEST, "sir-1234", "job-1")
    assert (request.state, request.detail) == ("open", "capacity-not-available")
    inventory.end(aws.account(), [request], seconds=10)
    assert [asks["SpotInstanceRequestId.1"] for action, asks in aws.front.calls if "Cancel" in action] == ["sir-1234"]


def test_machine_is_asked_to_end_before_anything_else(aws: Stage) -> None:
    run(aws)
    found = inventory.list_ours(aws.account())
    aws.front.calls.clear()
    inventory.end(aws.account(), [*reversed(found), *found], seconds=10)
    actions = [action for action in aws.front.actions() if "Describe" not in action]
    assert actions == [
        "ec2:TerminateInstances",
        "ec2:DeleteLaunchTemplate",
        "ec2:DeleteKeyPair",
        "ec2:DeleteSecurityGroup",
    ]


def test_every_part_is_attempted_and_every_failure_named(aws: Stage) -> None:
    account, instance = aws.account(), run(aws)
    found = inventory.list_ours(account)
    aws.fault("ec2:DeleteKeyPair", "UnauthorizedOperation", status=403)
    aws.fault("ec2:DeleteSecurityGroup", "DependencyViolation", times=99)
    with pytest.raises(CleanupError) as caught:
        inventory.end(account, found, seconds=0.5)
    group = found[-1].id
    assert caught.value.resources == ("cloudrender-t1", group)
    assert "cloudrender-t1" in caught.value.message and group in caught.value.message
    assert "ec2:DeleteKeyPair" in caught.value.message
    assert "clean-up" in caught.value.hint
    assert isinstance(caught.value.__cause__, CloudError)
    assert aws.everything()["instances"] == []
    assert instance.id not in caught.value.resources


def test_one_machine_that_cannot_be_ended_does_not_keep_the_other(aws: Stage) -> None:
    account, one, two = aws.account(), run(aws), run(aws, launch="t2")
    aws.fault(
        "ec2:TerminateInstances", "OperationNotPermitted", times=99, when=lambda asks: asks["InstanceId.1"] == one.id
    )
    with pytest.raises(CleanupError) as caught:
        inventory.end(account, inventory.list_ours(account), seconds=1)
    assert one.id in caught.value.resources
    assert two.id not in caught.value.resources
    assert aws.everything()["instances"] == [one.id]


def test_disk_that_is_still_held(aws: Stage) -> None:
    run(aws)
    [held] = aws.everything()["volumes"]
    with pytest.raises(CleanupError) as caught:
        volumes.delete_volume(aws.account(), held, deadline=time.monotonic() + 0.2)
    assert caught.value.resources == (held,)
    assert aws.count("ec2:DeleteVolume") == 0


@pytest.mark.parametrize("code", ["InvalidVolume.NotFound", "VolumeInUse"])
def test_disk_that_changes_under_our_hands(aws: Stage, code: str) -> None:
    lost = volume(aws)
    aws.fault("ec2:DeleteVolume", code)
    volumes.delete_volume(aws.account(), lost, deadline=time.monotonic() + 10)
    assert aws.everything() == EMPTY


def test_disk_that_cannot_be_deleted(aws: Stage) -> None:
    lost = volume(aws)
    aws.fault("ec2:DeleteVolume", "UnauthorizedOperation", status=403)
    with pytest.raises(CleanupError) as caught:
        inventory.end(aws.account(), [Resource(kind=Kind.VOLUME, id=lost, job_id="job-1")], seconds=10)
    assert caught.value.resources == (lost,)


def test_kinds_read_as_words() -> None:
    assert f"{Kind.INSTANCE:<10}|{Kind.KEY_PAIR}" == "machine   |key pair"


def test_group_alone(aws: Stage) -> None:
    site = network.find_site(aws.account(), subnet=None)
    network.make_group(aws.account(), site=site, job_id="job-1", token="t1")
    inventory.end(aws.account(), inventory.list_ours(aws.account()))
    assert aws.everything() == EMPTY
