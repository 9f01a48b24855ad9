# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images of the account's own: made of a stopped machine, waited for, listed, copied, deleted.

All carry the tag `IMAGE`. One that is being made carries `JOB`, too, like everything of a job that has to go if the job
dies; taking that tag away is what makes it the user's: from then on no clean-up touches it.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import CloudError, ImageError, MachineGoneError, PermissionsError
from . import instances
from .errors import code_of
from .pace import insisted, paced
from .prices import SNAPSHOT_USD_PER_GB_MONTH
from .tags import JOB, job_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef, TagSpecificationTypeDef, TagTypeDef

    from .session import Account

IMAGE = "cloudrender:image"
"""The tag of every image made here; its value is the kind of machine it is for."""

_BLENDER, _DRIVER = "cloudrender:blender", "cloudrender:driver"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What an image was made for and has: `kind` as in `images/kinds.py`, Blender's exact versions, the NVIDIA driver.

    `driver` is "" on an image for machines without GPU.
    """

    kind: str
    blender: tuple[str, ...]
    driver: str


@dataclass(frozen=True, kw_only=True)
class MachineImage:
    """An image as EC2 describes it. `state` is EC2's word; `job_id` the build that has not finished it yet, or "".

    `created` is epoch seconds, None where EC2 does not say.
    """

    id: str
    name: str
    region: str
    state: str
    reason: str
    job_id: str
    contents: Contents
    size_gb: int
    snapshots: tuple[str, ...]
    created: float | None

    @property
    def monthly_usd(self) -> float:
        """What its snapshots cost a month, at most."""
        return self.size_gb * SNAPSHOT_USD_PER_GB_MONTH


def stop_machine(account: Account, instance_id: str, *, deadline: float, sleep: Callable[[float], None]) -> None:
    """Shut the machine down, in order and without ending it, and return once it is stopped. Idempotent.

    `deadline` is `time.monotonic()` seconds; `sleep` is `CancelToken.sleep`. Raises `MachineGoneError` if it ends
    instead, `CloudError`, and what `sleep` raises.
    """

    def ask() -> None:
        with _calling(account, "ec2:StopInstances"):
            account.ec2.stop_instances(InstanceIds=[instance_id])

    insisted(ask, deadline=deadline, sleep=sleep)
    for last in paced(deadline=deadline, first=0.2, longest=3.0, sleep=sleep):
        try:
            found = instances.describe(account, instance_id)
        except CloudError as error:
            if last or not error.retryable:
                raise
            continue
        if found is not None and found.state == "stopped":
            return
        if found is None or found.state in ("shutting-down", instances.TERMINATED):
            reason = instances.explain(found.reason) if found else ""
            raise MachineGoneError(f"The machine {instance_id} has ended: {reason or 'no reason was given'}")
    raise CloudError(f"The machine {instance_id} did not shut down in time", hint="Try again")


def make_image(account: Account, *, instance_id: str, job_id: str, name: str, contents: Contents) -> str:
    """Ask for an image of a stopped machine and return its id. Idempotent by `job_id`. Raises `CloudError`."""
    try:
        with _calling(account, "ec2:CreateImage"):
            answer = account.ec2.create_image(
                InstanceId=instance_id,
                Name=name,
                Description=f"Cloudrender, with Blender {', '.join(contents.blender)}",
                TagSpecifications=_tagged(name, contents, job_id=job_id),
            )
    except CloudError as error:
        # The first answer may have been lost, and botocore asked again.
        if code_of(error) == "InvalidAMIName.Duplicate":
            for made in list_images(account):
                if made.job_id == job_id:
                    return made.id
        raise
    return answer["ImageId"]


def list_images(account: Account) -> tuple[MachineImage, ...]:
    """List the images made here, finished or not, oldest first. Raises `CloudError`."""
    return _find(account, [{"Name": "tag-key", "Values": [IMAGE]}])


def find_image(account: Account, image_id: str) -> MachineImage:
    """Return one of the images made here. Raises `ImageError` if it is none, `CloudError`."""
    for found in _find(account, [{"Name": "image-id", "Values": [image_id]}, {"Name": "tag-key", "Values": [IMAGE]}]):
        return found
    raise ImageError(
        f"There is no image {image_id} made by cloudrender in {account.region}",
        hint="`cloudrender image list` tells those there are; --region chooses another region",
    )


def newest(images: Sequence[MachineImage], *, kind: str) -> MachineImage | None:
    """Return the one of a region's images that jobs on machines of that kind begin with by themselves, None without."""
    whole = [each for each in images if each.contents.kind == kind and each.state == "available" and not each.job_id]
    return max(whole, key=lambda image: (image.created or 0.0, image.id), default=None)


def wait_until_available(
    account: Account, image_id: str, *, deadline: float, sleep: Callable[[float], None]
) -> MachineImage:
    """Return the image once it can be launched.

    `deadline` is `time.monotonic()` seconds; `sleep` is `CancelToken.sleep`. Raises `ImageError` when EC2 failed to
    make it or has not by then, `CloudError`, and what `sleep` raises.
    """
    started = time.monotonic()
    for last in paced(deadline=deadline, first=0.2, longest=10.0, sleep=sleep):
        try:
            image = find_image(account, image_id)
        except CloudError as error:
            # A new image may be unknown for some seconds (eventual consistency); the network may be down for a while.
            unknown = isinstance(error, ImageError) and time.monotonic() - started < _APPEAR_SECONDS
            if last or not (unknown or error.retryable):
                raise
            continue
        if image.state == "available":
            return image
        if image.state != "pending":
            raise ImageError(
                f"AWS could not make the image {image_id}: {image.reason or image.state}",
                hint="Try again; https://health.aws.amazon.com shows known outages",
            )
    raise ImageError(
        f"AWS has not finished the image {image_id} within {(time.monotonic() - started) / 60:.0f} min",
        hint="Try again later; https://health.aws.amazon.com shows known outages",
    )


def keep_image(account: Account, image: MachineImage) -> None:
    """Make a finished image the user's: it belongs to no build any more. Raises `CloudError`."""
    with _calling(account, "ec2:DeleteTags"):
        account.ec2.delete_tags(Resources=[image.id, *image.snapshots], Tags=[{"Key": JOB}])


def delete_image(account: Account, image_id: str) -> None:
    """Delete an image together with its snapshots. Idempotent. Raises `CloudError`."""
    try:
        image = find_image(account, image_id)
    except ImageError:
        return
    try:
        with _calling(account, "ec2:DeregisterImage"):
            account.ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    except CloudError:
        # What is gone (since we looked, or by a first try whose answer was lost) has no tags, so a policy with a
        # condition on tags answers that the right is missing: a look tells the two apart.
        if _find(account, [{"Name": "image-id", "Values": [image_id]}]):
            raise
        _delete_snapshots(account, image.snapshots)


def copy_image(account: Account, image: MachineImage, *, job_id: str) -> str:
    """Ask for an encrypted copy of an image in the account's region and return its id. Raises `CloudError`.

    Idempotent by `job_id`. Until `keep_image` it counts as half-made.
    """
    with _calling(account, "ec2:CopyImage"):
        answer = account.ec2.copy_image(
            ClientToken=job_id,
            SourceImageId=image.id,
            SourceRegion=image.region,
            Name=image.name,
            Encrypted=True,
            TagSpecifications=_tagged(image.name, image.contents, job_id=job_id),
        )
    return answer["ImageId"]


_APPEAR_SECONDS = 20.0


def _delete_snapshots(account: Account, ids: Sequence[str]) -> None:
    with _calling(account, "ec2:DescribeSnapshots"):
        left = account.ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": [*ids]}])["Snapshots"]
    for snapshot in left:
        with _calling(account, "ec2:DeleteSnapshot"):
            account.ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])


@contextmanager
def _calling(account: Account, action: str) -> Iterator[None]:
    """Translate what botocore raises; a missing right is one that the policy for rendering does not give."""
    try:
        with account.calling(action):
            yield
    except PermissionsError as error:
        error.hint = (
            "Attach to your AWS user, besides the policy for rendering, that of Copy Images Policy "
            "(`cloudrender policy --images`), or ask whoever runs the account"
        )
        raise


def _tagged(name: str, contents: Contents, *, job_id: str) -> Sequence[TagSpecificationTypeDef]:
    tags: list[TagTypeDef] = [
        {"Key": "Name", "Value": name},
        {"Key": JOB, "Value": job_id},
        {"Key": IMAGE, "Value": contents.kind},
        {"Key": _BLENDER, "Value": " ".join(contents.blender)},
        {"Key": _DRIVER, "Value": contents.driver},
    ]
    return [{"ResourceType": "image", "Tags": tags}, {"ResourceType": "snapshot", "Tags": tags}]


def _find(account: Account, filters: list[FilterTypeDef]) -> tuple[MachineImage, ...]:
    with account.calling("ec2:DescribeImages"):
        pages = account.ec2.get_paginator("describe_images").paginate(Owners=["self"], Filters=filters)
        found = [_image(each, region=account.region) for page in pages for each in page["Images"]]
    return tuple(sorted(found, key=lambda image: (image.created or 0.0, image.id)))


def _image(found: ImageTypeDef, *, region: str) -> MachineImage:
    tags = {tag.get("Key", ""): tag.get("Value", "") for tag in found.get("Tags", [])}
    disks = [mapping["Ebs"] for mapping in found.get("BlockDeviceMappings", []) if "Ebs" in mapping]
    return MachineImage(
        id=found.get("ImageId", ""),
        name=found.get("Name", ""),
        region=region,
        state=found.get("State", "pending"),
        reason=found.get("StateReason", {}).get("Message", ""),
        job_id=job_of(found.get("Tags", [])),
        contents=Contents(
            kind=tags.get(IMAGE, ""), blender=tuple(tags.get(_BLENDER, "").split()), driver=tags.get(_DRIVER, "")
        ),
        size_gb=sum(disk.get("VolumeSize", 0) for disk in disks),
        snapshots=tuple(disk["SnapshotId"] for disk in disks if "SnapshotId" in disk),
        created=_moment(found.get("CreationDate", "")),
    )


def _moment(text: str) -> float | None:
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
