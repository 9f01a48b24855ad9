# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH key pair of a launch, as EC2 knows it: only its public half ever leaves this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CloudError, PermissionsError
from .errors import code_of
from .tags import launch_name, tagged

if TYPE_CHECKING:
    from .session import Account


def import_key(account: Account, *, public: str, job_id: str, token: str) -> str:
    """Make the public key ("ssh-ed25519 AAAA…") known to EC2 and return its name. Idempotent."""
    name = launch_name(token)
    try:
        with account.calling("ec2:ImportKeyPair"):
            account.ec2.import_key_pair(
                KeyName=name,
                PublicKeyMaterial=public.encode("ascii"),
                TagSpecifications=[tagged("key-pair", job_id=job_id, token=token)],
            )
    except CloudError as error:
        if code_of(error) != "InvalidKeyPair.Duplicate":
            raise
    return name


def delete_key(account: Account, name: str) -> None:
    """Delete the key pair. Idempotent. Raises `CloudError`."""
    try:
        with account.calling("ec2:DeleteKeyPair"):
            account.ec2.delete_key_pair(KeyName=name)
    except PermissionsError:
        # One that is gone has no tags, and the policy's condition on tags refuses: a look tells the two apart.
        with account.calling("ec2:DescribeKeyPairs"):
            found = account.ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": [name]}])
        if found["KeyPairs"]:
            raise
