# SPDX-License-Identifier: GPL-3.0-or-later
"""What disks are encrypted with: the account's default key, a KMS key of the user's own, or nothing.

A disk made from a snapshot without naming a key gets the snapshot's own key again, and the default one if the snapshot
is another account's: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/AMIEncryption.html. So a key is named once,
for the machine that an image is made of. EBS uses a key with the rights of whoever launches, and only some time after
the call was answered; which rights: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import CloudError, ConfigError
from .errors import code_of
from .policy import calling_for_images

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

    from .session import Account

_log = logging.getLogger(__name__)

_SPOT_OPERATIONS = (
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "CreateGrant",
    "DescribeKey",
    "ReEncryptFrom",
    "ReEncryptTo",
)


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """How a new disk is to be encrypted: `key` is a KMS key's ARN, "" the account's default key; or not at all."""

    on: bool = True
    key: str = ""


DEFAULT_KEY = Encryption()
"""Every disk is encrypted like this where nothing else is asked for."""


@dataclass(frozen=True, kw_only=True)
class DiskKey:
    """A KMS key, by its ARN. `own` says that it has a policy which can be changed; else AWS manages it."""

    arn: str
    own: bool

    @property
    def account(self) -> str:
        """The id of the account it is of."""
        return self.arn.split(":")[4]


def find_key(account: Account, key: str) -> DiskKey:
    """Return the key with that id, ARN, alias ("alias/images") or alias ARN, if disks can be encrypted with it.

    Raises `ConfigError` when they cannot, `CloudError`.
    """
    try:
        with calling_for_images(account, "kms:DescribeKey"):
            found = account.kms.describe_key(KeyId=key)["KeyMetadata"]
    except CloudError as error:
        if code_of(error) not in ("NotFoundException", "InvalidArnException", "ValidationException"):
            raise
        raise ConfigError(
            f"There is no KMS key {key} in {account.region}",
            hint=f"`aws kms list-aliases --region {account.region}` lists them; an alias is written alias/NAME, and a "
            "key serves in its own region only",
            details=error.details,
        ) from error
    if found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html, KmsKeyId
        raise ConfigError(
            f"Disks cannot be encrypted with the KMS key {key}, which is of the kind {found['KeySpec']}",
            hint="Choose a symmetric one (SYMMETRIC_DEFAULT), or make one: aws kms create-key",
        )
    if found.get("KeyState", "Enabled") != "Enabled":
        raise ConfigError(
            f"The KMS key {key} cannot be used: its state is {found['KeyState']}",
            hint=f"Enable it (aws kms enable-key --key-id {found['KeyId']} --region {account.region}), or choose "
            "another one",
        )
    return DiskKey(arn=found["Arn"], own=_is_own(found))


def is_own(account: Account, arn: str) -> bool:
    """Tell whether the key of a disk that is there is none that AWS manages, in any state. Raises `CloudError`."""
    try:
        with calling_for_images(account, "kms:DescribeKey"):
            return _is_own(account.kms.describe_key(KeyId=arn)["KeyMetadata"])
    except CloudError as error:
        if code_of(error) == "NotFoundException":
            return True  # it was deleted, as AWS's own cannot be
        raise


def spot_grants(key: DiskKey, accounts: Sequence[str]) -> list[str]:
    """Return the commands by which the key's account lets the spot machines of these accounts use it, once for all.

    EC2 starts them by a role of its own, which no policy of a user's rights reaches:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html.
    """
    _, partition, _, region, *_ = key.arn.split(":")
    role = "role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
    return [
        f"aws kms create-grant --region {region} --key-id {key.arn} "
        f"--grantee-principal arn:{partition}:iam::{each}:{role} --operations {' '.join(_SPOT_OPERATIONS)}"
        for each in accounts
    ]


def spot_grant(account: Account, image_id: str) -> str:
    """Return the command by which spot machines of the account may open the disk of an image with a key of one's own.

    KEY and ACCOUNT stand in it for what the user may not know: the key of another account's image, or without the right
    to look. Never raises `CloudError`.
    """
    key, owner = DiskKey(arn=f"arn:aws:kms:{account.region}:ACCOUNT:key/KEY", own=True), "ACCOUNT"
    try:
        with account.calling("ec2:DescribeImages"):
            found = account.ec2.describe_images(ImageIds=[image_id])["Images"]
        ebs = [disk.get("Ebs", {}) for each in found for disk in each.get("BlockDeviceMappings", [])]
        disks = [disk["SnapshotId"] for disk in ebs if "SnapshotId" in disk]
        by_id: list[FilterTypeDef] = [{"Name": "snapshot-id", "Values": disks or ["none"]}]
        with calling_for_images(account, "ec2:DescribeSnapshots"):
            snapshots = account.ec2.describe_snapshots(OwnerIds=["self"], Filters=by_id)["Snapshots"]
    except CloudError as error:
        _log.info("The key of %s is not known: %s", image_id, error.message)
        snapshots = []
    for each in snapshots:
        if arn := each.get("KmsKeyId"):
            key, owner = DiskKey(arn=arn, own=True), each.get("OwnerId", owner)
            break
    return spot_grants(key, [owner])[0]


def encrypts_all(account: Account) -> bool:
    """Tell whether the account encrypts every new disk in the region, asked or not.

    https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html. Raises `CloudError`.
    """
    with calling_for_images(account, "ec2:GetEbsEncryptionByDefault"):
        return account.ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]


def _is_own(found: dict[str, str]) -> bool:
    # https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html
    return found.get("KeyManager") != "AWS"
