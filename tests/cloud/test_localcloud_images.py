# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that the stand-in's account makes: the states EC2 tells of them, and the disk that a machine gets from one."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.cloud import Cloud
from tests.localcloud.renting import SPOT, UBUNTU, wait_until

MACHINE = {"InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
TAGS = [{"Key": "who", "Value": "me"}]


def launch(cloud: Cloud, *, script: str = "true", image: str = UBUNTU, **more: Any) -> str:
    ec2 = cloud.client("ec2")
    found = ec2.run_instances(ImageId=image, UserData=f"#!/bin/sh\n{script}\n", **MACHINE, **more)
    return found["Instances"][0]["InstanceId"]


def state(cloud: Cloud, machine: str) -> str:
    found = cloud.client("ec2").describe_instances(InstanceIds=[machine])
    return found["Reservations"][0]["Instances"][0]["State"]["Name"]


def stopped(cloud: Cloud, *, script: str = "true") -> str:
    """Return a machine that has run the script and was stopped."""
    machine = launch(cloud, script=f"{script}; echo done")
    wait_until(lambda: "done" in cloud.machines[-1].console, what="the user data's end")
    cloud.client("ec2").stop_instances(InstanceIds=[machine])
    wait_until(lambda: state(cloud, machine) == "stopped", what="the machine to stop")
    return machine


def bake(cloud: Cloud, machine: str, *, name: str = "baked", **more: Any) -> str:
    return cloud.client("ec2").create_image(InstanceId=machine, Name=name, **more)["ImageId"]


def described(cloud: Cloud, image: str, *, region: str = "us-east-1") -> dict[str, Any]:
    return cloud.client("ec2", region=region).describe_images(ImageIds=[image])["Images"][0]


def clear(cloud: Cloud, *images: str) -> None:
    ec2 = cloud.client("ec2")
    for image in images:
        ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    ec2.terminate_instances(InstanceIds=[machine.id for machine in cloud.machines])
    wait_until(lambda: not cloud.leftovers(), what="an empty account")


def refused(call: Any, *arguments: Any, **more: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(*arguments, **more)
    return error.value.response["Error"]["Code"]


def test_a_machine_from_an_image_has_the_disk_of_the_one_it_was_made_of(cloud: Cloud) -> None:
    machine = stopped(cloud, script='echo tools >"$TMPDIR/tools"; ln -s tools "$TMPDIR/link"; touch "$CR_PREFIX/etc"')
    tags = [{"ResourceType": kind, "Tags": TAGS} for kind in ("image", "snapshot")]
    image = bake(cloud, machine, TagSpecifications=tags)
    found = described(cloud, image)
    assert (found["State"], found["Tags"], found["OwnerId"]) == ("available", TAGS, "123456789012")
    snapshot = found["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    ec2 = cloud.client("ec2")
    assert ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["Tags"] == TAGS
    mine = ec2.describe_images(Owners=["self"], Filters=[{"Name": "tag:who", "Values": ["me"]}])["Images"]
    assert [each["ImageId"] for each in mine] == [image]
    launch(cloud, image=image, script='cat "$TMPDIR/link"; ls "$CR_PREFIX"')
    wait_until(lambda: "tools\netc\n" in cloud.machines[-1].console, what="what the image brought")
    assert not (cloud.machines[0].folder / "tmp" / "other").exists()
    clear(cloud, image)


def test_an_image_is_pending_first_and_may_fail(cloud: Cloud) -> None:
    machine = stopped(cloud)
    cloud.images.seconds = 3
    image = bake(cloud, machine)
    assert described(cloud, image)["State"] == "pending"
    assert refused(launch, cloud, image=image) == "InvalidAMIID.Unavailable"
    wait_until(lambda: described(cloud, image)["State"] == "available", what="the image")
    cloud.images.failing = True
    broken = bake(cloud, machine, name="broken")
    wait_until(lambda: described(cloud, broken)["State"] == "failed", what="the failure")
    assert described(cloud, broken)["StateReason"]["Code"] == "Client.InternalError"
    clear(cloud, image, broken)


def test_what_ec2_refuses(cloud: Cloud) -> None:
    running = launch(cloud)
    wait_until(lambda: state(cloud, running) == "running", what="the machine")
    assert refused(bake, cloud, running) == "UnsupportedOperation"  # the stand-in's own refusal: it does not reboot
    image = bake(cloud, running, NoReboot=True)
    assert refused(bake, cloud, running, NoReboot=True) == "InvalidAMIName.Duplicate"
    assert refused(bake, cloud, running, NoReboot=True, name="a*b") == "InvalidAMIName.Malformed"
    spot = launch(cloud, InstanceMarketOptions=SPOT)
    assert refused(cloud.client("ec2").stop_instances, InstanceIds=[spot]) == "UnsupportedOperation"
    snapshot = described(cloud, image)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert refused(cloud.client("ec2").delete_snapshot, SnapshotId=snapshot) == "InvalidSnapshot.InUse"
    clear(cloud, image)


def test_an_image_is_copied_with_its_disk_and_left_over_until_it_is_deregistered(cloud: Cloud) -> None:
    image = bake(cloud, stopped(cloud, script='echo tools >"$TMPDIR/tools"'))
    there = cloud.client("ec2", region="eu-west-1")
    copy = there.copy_image(SourceImageId=image, SourceRegion="us-east-1", Name="copied", Encrypted=True)["ImageId"]
    assert described(cloud, copy, region="eu-west-1")["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    disk = cloud.images.disk_of(copy)
    assert disk is not None and (disk / "tmp" / "tools").read_text() == "tools\n"
    there.deregister_image(ImageId=copy)
    left = [line.split() for line in cloud.leftovers() if line.startswith("eu-west-1")]
    assert [words[1] for words in left] == ["snapshot"], "it outlives its image unless its end is asked for, too"
    there.delete_snapshot(SnapshotId=left[0][2])
    cloud.client("ec2").terminate_instances(InstanceIds=[machine.id for machine in cloud.machines])
    wait_until(lambda: not cloud.leftovers(allowed=["image"]), what="an account with an image only")
    assert {line.split()[1] for line in cloud.leftovers()} == {"image", "snapshot"}
    clear(cloud, image)
