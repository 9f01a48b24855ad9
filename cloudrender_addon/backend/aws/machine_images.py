# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images of the account's own that are there: listed, looked up, kept, deleted.

All carry the tag `IMAGE`. One that is being made carries `JOB`, too, like everything of a job that has to go if the job
dies; taking that tag away is what makes it the user's: from then on no clean-up touches it.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..clock import now
from ..errors import CloudError, ImageError
from .policy import calling_for_images
from .prices import SNAPSHOT_USD_PER_GB_MONTH
from .snapshots import delete_snapshot
from .tags import JOB, job_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ec2.type_defs import FilterTypeDef, ImageTypeDef, TagTypeDef

    from .session import Account

IMAGE = "cloudrender:image"
"""The tag of every image made here; its value is the kind of machine it is for."""

_SNAPSHOT_SECONDS = 60.0
"""How long to try to delete the snapshots of an image that is gone."""

_BLENDER, _DRIVER = "cloudrender:blender", "cloudrender:driver"
_FAMILIES, _DATE = "cloudrender:families", "cloudrender:date"
"""For people who look at the image in the AWS console; the date is that of its making, in UTC."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What an image was made for and has: `kind` (see `images.image_kind`), Blender's exact versions, NVIDIA's driver.

    `driver` is "" on an image for machines without GPU. `families` are the machine families that it serves.
    """

    kind: str
    blender: tuple[str, ...]
    driver: str
    families: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The series of its Blenders: "4.2"."""
        return tuple(dict.fromkeys(".".join(version.split(".")[:2]) for version in self.blender))

    def has(self, blender: str) -> bool:
        """Tell whether it has that Blender: an exact version, or any of a series; "" is any at all."""
        return not blender or blender in self.blender or blender in self.series


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
    def whole(self) -> bool:
        """Whether it is finished, so that jobs can begin with it."""
        return self.state == "available" and not self.job_id

    @property
    def age_order(self) -> tuple[float, str]:
        """What sorts images, the oldest first."""
        return (self.created or 0.0, self.id)

    @property
    def monthly_usd(self) -> float:
        """What its snapshots cost a month, at most."""
        return self.size_gb * SNAPSHOT_USD_PER_GB_MONTH


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


def newest(images: Sequence[MachineImage], *, kind: str, blender: str = "") -> MachineImage | None:
    """Return the one of a region's images that jobs on machines of that kind begin with by themselves, None without.

    It is the newest that has the job's `blender` (series or version), or the newest of all where none has.
    """
    whole = [each for each in images if each.contents.kind == kind and each.whole]
    return max(whole, key=lambda image: (image.contents.has(blender), image.age_order), default=None)


def keep_image(account: Account, image: MachineImage) -> None:
    """Make a finished image the user's: it belongs to no build any more. Raises `CloudError`."""
    with calling_for_images(account, "ec2:DeleteTags"):
        account.ec2.delete_tags(Resources=[image.id, *image.snapshots], Tags=[{"Key": JOB}])


def delete_image(account: Account, image_id: str) -> None:
    """Delete an image together with its snapshots. Idempotent. Raises `CloudError`."""
    try:
        image = find_image(account, image_id)
    except ImageError:
        return
    try:
        with calling_for_images(account, "ec2:DeregisterImage"):
            answer = account.ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    except CloudError:
        # What is gone (since we looked, or by a first try whose answer was lost) has no tags, so a policy with a
        # condition on tags answers that the right is missing: a look tells the two apart.
        if _find(account, [{"Name": "image-id", "Values": [image_id]}]):
            raise
        left = list(image.snapshots)
    else:
        # That a snapshot was not deleted is no error of the call. "skipped" is one that another image has, too.
        results = answer.get("DeleteSnapshotResults", [])
        left = [each.get("SnapshotId", "") for each in results if each.get("ReturnCode") not in ("success", "skipped")]
    for snapshot_id in left:
        delete_snapshot(account, snapshot_id, deadline=time.monotonic() + _SNAPSHOT_SECONDS)


def image_tags(name: str, contents: Contents, *, job_id: str) -> list[TagTypeDef]:
    """Return the tags of an image that is being made by that job, and of its snapshots."""
    return [
        {"Key": "Name", "Value": name},
        {"Key": JOB, "Value": job_id},
        {"Key": IMAGE, "Value": contents.kind},
        {"Key": _BLENDER, "Value": " ".join(contents.blender)},
        {"Key": _DRIVER, "Value": contents.driver},
        {"Key": _FAMILIES, "Value": " ".join(contents.families)},
        {"Key": _DATE, "Value": datetime.datetime.fromtimestamp(now(), datetime.UTC).date().isoformat()},
    ]


def _find(account: Account, filters: list[FilterTypeDef]) -> tuple[MachineImage, ...]:
    with account.calling("ec2:DescribeImages"):
        pages = account.ec2.get_paginator("describe_images").paginate(Owners=["self"], Filters=filters)
        found = [_image(each, region=account.region) for page in pages for each in page["Images"]]
    return tuple(sorted(found, key=lambda image: image.age_order))


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
            kind=tags.get(IMAGE, ""),
            blender=tuple(tags.get(_BLENDER, "").split()),
            driver=tags.get(_DRIVER, ""),
            families=tuple(tags.get(_FAMILIES, "").split()),
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
