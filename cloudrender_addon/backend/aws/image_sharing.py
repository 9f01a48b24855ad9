# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use an image besides its account, and what is behind it: how it is encrypted, how much it holds.

An image is shared by its launch permission alone; its snapshots need none, but a key they are encrypted with does, and
with the account's default key it cannot be shared at all. Tags are not shared, so no other account's `auto` finds it:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/sharingamis-explicit.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..atonce import all_at_once
from ..errors import ImageError, UsageError
from .disk_keys import DiskKey, is_own
from .machine_images import IMAGE, MachineImage
from .policy import calling_for_images
from .prices import SNAPSHOT_USD_PER_GB_MONTH

if TYPE_CHECKING:
    from .session import Account

_GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What is behind an image: `key` is None if it is not encrypted, `accounts` are those it is shared with.

    `stored_gb` is how much was ever written to its disk (GiB): its snapshot holds no more.
    """

    key: DiskKey | None
    accounts: tuple[str, ...]
    stored_gb: float

    @property
    def monthly_usd(self) -> float:
        """What its snapshots cost a month, at most."""
        return self.stored_gb * SNAPSHOT_USD_PER_GB_MONTH


def look_behind(account: Account, images: Sequence[MachineImage]) -> dict[str, Behind]:
    """Return what is behind each image that is whole, by its id.

    One call for all snapshots, one for each key, one for each image that another account might use.
    Raises `CloudError`.
    """
    if not images:
        return {}
    with calling_for_images(account, "ec2:DescribeSnapshots"):
        pages = account.ec2.get_paginator("describe_snapshots").paginate(
            OwnerIds=["self"], Filters=[{"Name": "tag-key", "Values": [IMAGE]}]
        )
        found = {each.get("SnapshotId", ""): each for page in pages for each in page["Snapshots"]}
    snapshots = {image.id: found[disk] for image in images for disk in image.snapshots[:1] if disk in found}
    arns = sorted({each["KmsKeyId"] for each in snapshots.values() if each.get("KmsKeyId")})
    own = dict(zip(arns, all_at_once(partial(is_own, account, arn) for arn in arns), strict=True))
    sharable = [id for id, each in snapshots.items() if own.get(each.get("KmsKeyId", ""), True)]
    accounts = dict(zip(sharable, all_at_once(partial(_shared_with, account, id) for id in sharable), strict=True))
    sizes = {image.id: image.size_gb for image in images}
    return {
        id: Behind(
            key=DiskKey(arn=arn, own=own[arn]) if (arn := each.get("KmsKeyId", "")) else None,
            accounts=accounts.get(id, ()),
            stored_gb=min(each.get("FullSnapshotSizeInBytes", sizes[id] * _GIB) / _GIB, sizes[id]),
        )
        for id, each in snapshots.items()
    }


def account_ids(texts: Iterable[str]) -> tuple[str, ...]:
    """Return account ids as AWS has them: twelve digits, which may be written 1234-5678-9012. Raises `UsageError`."""
    ids = []
    for text in texts:
        if text.lower() in ("all", "public", "*"):
            raise UsageError("An image is shared with accounts, never with everybody", hint="Name the accounts' ids")
        if not re.fullmatch(r"\d{12}", plain := text.replace("-", ""), re.ASCII):
            raise UsageError(
                f"{text!r} is not the id of an AWS account",
                hint="It has 12 digits; `aws sts get-caller-identity` tells it to who works in that account",
            )
        ids.append(plain)
    return tuple(dict.fromkeys(ids))


def share(account: Account, image: MachineImage, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> Behind:
    """Let accounts use the image, or no longer; return what is behind it then. To add again changes nothing.

    Raises `ImageError` for an image that no other account could use, and if it is to be kept from one that it is not
    shared with; `CloudError`.
    """
    behind = look_behind(account, [image]).get(image.id)
    if image.job_id or image.state != "available" or behind is None:
        raise ImageError(
            f"{image.id} is not finished", hint="Share it when `cloudrender image list` calls it available"
        )
    if add and behind.key and not behind.key.own:
        raise ImageError(
            f"{image.id} cannot be shared: it is encrypted with the account's default key, which no other account may "
            "use",
            hint="Build one with a key of your own (--kms-key), or without encryption (--unencrypted)",
        )
    if strange := [each for each in remove if each not in behind.accounts]:
        raise ImageError(
            f"{image.id} is not shared with {', '.join(strange)}",
            hint=f"It is shared with {', '.join(behind.accounts) or 'nobody'}",
        )
    for change, accounts in (("Add", add), ("Remove", remove)):
        if accounts:
            with calling_for_images(account, "ec2:ModifyImageAttribute"):
                account.ec2.modify_image_attribute(
                    ImageId=image.id,
                    LaunchPermission={change: [{"UserId": each} for each in accounts]},  # type: ignore[misc]
                )
    return replace(behind, accounts=_shared_with(account, image.id))


def key_statements(key: DiskKey, accounts: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the policy of a key needs besides, so that these accounts may start machines from its disks.

    https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
    """
    partition = key.arn.split(":")[1]  # "aws", "aws-cn" …
    who = {"AWS": [f"arn:{partition}:iam::{each}:root" for each in accounts]}
    return [
        {
            "Sid": "UseForSharedImages",
            "Effect": "Allow",
            "Principal": who,
            "Action": ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*"],
            "Resource": "*",
        },
        {
            "Sid": "LetTheirDisksUseIt",
            "Effect": "Allow",
            "Principal": who,
            "Action": "kms:CreateGrant",
            "Resource": "*",
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        },
    ]


def _shared_with(account: Account, image_id: str) -> tuple[str, ...]:
    with calling_for_images(account, "ec2:DescribeImageAttribute"):
        found = account.ec2.describe_image_attribute(ImageId=image_id, Attribute="launchPermission")
    # Somebody may have shared it by hand with a group ("all") or an organization.
    return tuple(sorted(str(name) for each in found["LaunchPermissions"] for name in each.values()))
