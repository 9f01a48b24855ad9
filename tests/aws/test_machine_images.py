# SPDX-License-Identifier: GPL-3.0-or-later
"""The account's own machine images: made, waited for, kept, copied, deleted, with no right beyond the two policies."""

from __future__ import annotations

import datetime
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from cloudrender_addon.backend import errors as e
from cloudrender_addon.backend.aws import image_making, image_sharing, inventory, machine_images
from cloudrender_addon.backend.aws.disk_keys import DEFAULT_KEY, encrypts_all, find_key
from cloudrender_addon.backend.aws.images import resolve_image
from cloudrender_addon.backend.aws.inventory import Kind
from cloudrender_addon.backend.aws.machine_images import Contents
from cloudrender_addon.backend.aws.policy import images_policy_text, policy_text
from cloudrender_addon.backend.aws.session import Account
from cloudrender_addon.backend.aws.snapshots import delete_snapshot
from cloudrender_addon.backend.aws.tags import tagged
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.farms.leftovers import search
from tests.localcloud.cloud import REGION, Cloud
from tests.localcloud.renting import UBUNTU, wait_until

JOB, COPY = "image-20261126-1", "image-20261126-2"
CONTENTS = Contents(kind="g", blender=("4.2.23", "4.5.15"), driver="580.95.05", families=("g4dn", "g5"))
BOTH = {
    "Version": "2012-10-17",
    "Statement": [
        statement for text in (policy_text(), images_policy_text()) for statement in json.loads(text)["Statement"]
    ],
}


@pytest.fixture
def account(cloud: Cloud) -> Account:
    cloud.rights.limit_to(BOTH)
    return Account(profile=None, region=REGION)


def builder(cloud: Cloud, account: Account) -> str:
    """Return a stopped machine of ours."""
    marks = [tagged(kind, job_id=JOB, token="t1") for kind in ("instance", "volume")]
    launched = account.ec2.run_instances(
        ImageId=UBUNTU,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=marks,  # type: ignore[arg-type]
    )
    machine = launched["Instances"][0]["InstanceId"]
    wait_until(lambda: cloud.machines[-1].running_at, what="the machine")
    image_making.stop_machine(account, machine, deadline=soon(), sleep=time.sleep)
    return machine


def make(account: Account, machine: str, *, name: str = "cloudrender g", contents: Contents = CONTENTS) -> str:
    return image_making.make_image(account, instance_id=machine, job_id=JOB, name=name, contents=contents)


def wait(account: Account, image: str, *, seconds: float = 10.0) -> machine_images.MachineImage:
    cancel = CancelToken()
    return image_making.wait_until_available(account, image, deadline=time.monotonic() + seconds, sleep=cancel.sleep)


def soon() -> float:
    return time.monotonic() + 10.0


def end(cloud: Cloud, account: Account) -> None:
    inventory.end(account, inventory.list_ours(account))
    wait_until(lambda: not cloud.leftovers(), what="an empty account")


def test_an_image_is_half_made_until_it_is_kept(cloud: Cloud, account: Account) -> None:
    cloud.images.seconds = 0.5
    image = wait(account, make(account, builder(cloud, account)))
    assert (image.state, image.job_id, image.contents, image.size_gb) == ("available", JOB, CONTENTS, 8)
    assert image.monthly_usd == pytest.approx(0.4)
    assert image.created is not None and abs(image.created - time.time()) < 100
    ours = {each.kind: each for each in inventory.list_ours(account, job_id=JOB)}
    assert ours[Kind.IMAGE].id == image.id
    machine_images.keep_image(account, image)
    assert Kind.IMAGE not in {each.kind for each in inventory.list_ours(account)}
    inventory.end(account, inventory.list_ours(account))
    wait_until(lambda: not cloud.leftovers(allowed=["image"]), what="an account with the image only")
    [kept] = machine_images.list_images(account)
    assert (kept.id, kept.job_id, kept.contents) == (image.id, "", CONTENTS)
    [described] = account.ec2.describe_images(ImageIds=[kept.id])["Images"]
    tags = {tag["Key"]: tag["Value"] for tag in described["Tags"]}
    told = [tags[f"cloudrender:{name}"] for name in ("blender", "driver", "families")]
    assert told == ["4.2.23 4.5.15", "580.95.05", "g4dn g5"]
    assert image.created is not None  # in whole seconds
    made = {datetime.datetime.fromtimestamp(image.created + s, datetime.UTC).date() for s in (-30, 30)}
    assert datetime.date.fromisoformat(tags["cloudrender:date"]) in made
    machine_images.delete_image(account, kept.id)
    machine_images.delete_image(account, kept.id)
    assert cloud.leftovers() == []


def test_a_half_made_image_goes_with_its_snapshots_when_all_of_a_job_goes(cloud: Cloud, account: Account) -> None:
    cloud.images.seconds = 60.0
    image = make(account, builder(cloud, account))
    [left] = [each for each in search(account, [REGION]).found if each.resource.kind is Kind.IMAGE]
    assert left.resource.id == image and left.hourly_usd == pytest.approx(8 * 0.05 / 730)
    end(cloud, account)


def test_an_image_that_fails_or_takes_too_long_or_is_not_waited_for(cloud: Cloud, account: Account) -> None:
    machine = builder(cloud, account)
    cloud.images.failing = True
    with pytest.raises(e.ImageError, match="could not make the image"):
        wait(account, make(account, machine))
    cloud.images.failing, cloud.images.seconds = False, 60.0
    slow = make(account, machine, name="slow")
    with pytest.raises(e.ImageError, match="has not finished"):
        wait(account, slow, seconds=0.3)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(e.Cancelled):
        image_making.wait_until_available(account, slow, deadline=soon(), sleep=cancel.sleep)
    end(cloud, account)


def test_a_lost_answer_makes_no_second_image(cloud: Cloud, account: Account) -> None:
    machine = builder(cloud, account)
    first = make(account, machine)
    assert make(account, machine) == first
    with pytest.raises(e.CloudError, match="Duplicate"):  # of somebody else's job
        image_making.make_image(account, instance_id=machine, job_id="other", name="cloudrender g", contents=CONTENTS)
    end(cloud, account)


def test_a_machine_that_ended_when_it_had_been_stopped(cloud: Cloud, account: Account) -> None:
    machine = builder(cloud, account)
    cloud.client("ec2").terminate_instances(InstanceIds=[machine])
    with pytest.raises(e.MachineGoneError, match="ended from outside"):
        make(account, machine)
    end(cloud, account)


def test_a_deregistered_image_whose_snapshots_were_left(cloud: Cloud, account: Account) -> None:
    image = make(account, builder(cloud, account))
    original = account.ec2.deregister_image

    def gone_before(**more: Any) -> Any:
        original(ImageId=image)
        return original(**more)

    account.ec2.deregister_image = gone_before  # type: ignore[method-assign]
    machine_images.delete_image(account, image)
    end(cloud, account)


def test_snapshots_that_aws_could_not_delete_with_their_image(cloud: Cloud, account: Account) -> None:
    cloud.images.keeping_snapshots = True
    image = wait(account, make(account, builder(cloud, account)))
    machine_images.keep_image(account, image)
    machine_images.delete_image(account, image.id)
    end(cloud, account)


def test_the_snapshot_of_an_image_that_was_only_begun(cloud: Cloud, account: Account) -> None:
    """AWS does not tell yet which it is, and so does not delete it with the image."""
    cloud.images.seconds = 60.0
    image = make(account, builder(cloud, account))
    machine_images.delete_image(account, image)
    [left] = [each for each in search(account, [REGION]).found if each.resource.kind is Kind.SNAPSHOT]
    assert left.resource.job_id == JOB and left.hourly_usd == pytest.approx(8 * 0.05 / 730)
    end(cloud, account)


def test_who_may_only_render_need_not_see_snapshots(cloud: Cloud, account: Account) -> None:
    cloud.rights.limit_to(json.loads(policy_text()))
    assert inventory.list_ours(account) == ()


def test_a_copy_in_another_region_is_kept_likewise(cloud: Cloud, account: Account) -> None:
    image = wait(account, make(account, builder(cloud, account)))
    there = account.at("eu-west-1")
    copy = wait(there, image_making.copy_image(there, image, encryption=DEFAULT_KEY, job_id=COPY))
    assert (copy.contents, copy.name, copy.region) == (CONTENTS, image.name, "eu-west-1")
    machine_images.keep_image(there, copy)
    assert machine_images.find_image(there, copy.id).job_id == ""
    with pytest.raises(e.ImageError, match="no image"):
        machine_images.find_image(account, copy.id)
    machine_images.delete_image(there, copy.id)
    end(cloud, account)


@pytest.mark.parametrize("action", ["StopInstances", "CreateImage", "DeleteTags", "DeregisterImage", "CopyImage"])
def test_a_missing_right_names_the_policy_that_gives_it(cloud: Cloud, account: Account, action: str) -> None:
    machine = builder(cloud, account)
    image = wait(account, make(account, machine))
    cloud.rights.deny(f"ec2:{action}")
    calls: dict[str, Any] = {
        "StopInstances": lambda: image_making.stop_machine(account, machine, deadline=soon(), sleep=time.sleep),
        "CreateImage": lambda: make(account, machine, name="second"),
        "DeleteTags": lambda: machine_images.keep_image(account, image),
        "DeregisterImage": lambda: machine_images.delete_image(account, image.id),
        "CopyImage": lambda: image_making.copy_image(account, image, encryption=DEFAULT_KEY, job_id=COPY),
    }
    with pytest.raises(e.PermissionsError, match=f"ec2:{action}") as error:
        calls[action]()
    assert "cloudrender policy --images" in error.value.hint
    cloud.expect_leftovers = True


def test_no_image_is_made_or_deleted_without_our_tags(cloud: Cloud, account: Account) -> None:
    machine = builder(cloud, account)
    with pytest.raises(e.PermissionsError), account.calling("ec2:CreateImage"):
        account.ec2.create_image(InstanceId=machine, Name="untagged")
    cloud.rights.limit_to({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    stranger = account.ec2.create_image(InstanceId=machine, Name="stranger")["ImageId"]
    cloud.rights.limit_to(BOTH)
    with pytest.raises(e.PermissionsError), account.calling("ec2:DeregisterImage"):
        account.ec2.deregister_image(ImageId=stranger)
    inventory.end(account, inventory.list_ours(account))
    assert any(stranger in line for line in cloud.leftovers())
    cloud.expect_leftovers = True


def test_the_policies_together_allow_exactly_what_is_called(cloud: Cloud, account: Account) -> None:
    image = wait(account, make(account, builder(cloud, account)))
    machine_images.keep_image(account, image)
    there = account.at("eu-west-1")
    machine_images.delete_image(there, image_making.copy_image(there, image, encryption=DEFAULT_KEY, job_id=COPY))
    account.ec2.deregister_image(ImageId=image.id)
    delete_snapshot(account, image.snapshots[0], deadline=soon())
    shared = wait(account, make(account, builder(cloud, account), name="shared"))
    machine_images.keep_image(account, shared)
    for change in ({"add": ["111122223333"]}, {"remove": ["111122223333"]}):
        image_sharing.share(account, machine_images.find_image(account, shared.id), **change)
    assert not find_key(account, "alias/aws/ebs").own and not encrypts_all(account)
    machine_images.delete_image(account, shared.id)
    end(cloud, account)
    actions = [each["Action"] for each in json.loads(images_policy_text())["Statement"]]
    allowed = {action for each in actions for action in (each if isinstance(each, list) else [each])}
    # Those of KMS are used by EBS: see test_image_sharing.py.
    implied = {"ec2:CreateTags", *(each for each in allowed if each.startswith("kms:") and each != "kms:DescribeKey")}
    assert allowed - implied == allowed & {f"{call.service}:{call.action}" for call in cloud.calls}


def test_auto_is_the_newest_whole_image_of_ones_own_for_such_machines(cloud: Cloud, account: Account) -> None:
    machine = builder(cloud, account)
    public = resolve_image(account, image="auto", gpu="NVIDIA T4")
    first = wait(account, make(account, machine, name="first"))
    assert resolve_image(account, image="auto", gpu="NVIDIA T4") == public, "it is half-made"
    machine_images.keep_image(account, first)
    own = resolve_image(account, image="auto", gpu="NVIDIA T4")
    assert (own.id, own.origin, public.origin) == (first.id, "own", "public")
    assert resolve_image(account, image=first.id, gpu="NVIDIA T4").origin == "own", "also when it is named"
    assert resolve_image(account, image=public.id, gpu="NVIDIA T4").origin == "given"
    second = wait(account, make(account, machine, name="second"))
    machine_images.keep_image(account, second)
    found = resolve_image(account, image="auto", gpu="NVIDIA T4").id
    assert found == max(first, second, key=lambda each: (each.created, each.id)).id
    third = wait(account, make(account, machine, name="third", contents=replace(CONTENTS, blender=("5.0.1",))))
    machine_images.keep_image(account, third)
    assert resolve_image(account, image="auto", gpu="NVIDIA T4", blender="5.0").id == third.id
    assert resolve_image(account, image="auto", gpu="NVIDIA T4", blender="4.2").id == found, "it has that"
    machine_images.delete_image(account, third.id)
    assert resolve_image(account, image="public", gpu="NVIDIA T4") == public
    compute = resolve_image(account, image="auto", gpu="NVIDIA V100")
    assert compute.origin == "public", "that one is for graphics GPUs"
    assert resolve_image(account, image="auto", gpu=None).origin == "public"
    machine_images.delete_image(account, first.id)
    machine_images.delete_image(account, second.id)
    end(cloud, account)
