# SPDX-License-Identifier: GPL-3.0-or-later
"""What the account's disks are encrypted with, and whether EBS may use that key, which shows only after a launch.

The keys themselves are moto's (KMS). Which one a disk gets:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/AMIEncryption.html; the rights that take effect:
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from tests.localcloud.lifecycle import BAD_KEY, NO_KEY
from tests.localcloud.rights import Rights

_NEEDED = ("CreateGrant", "Decrypt", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo")


class DiskKeys:
    """Knows the key of each disk. `rights` are the user's, with which EBS uses it."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights
        self._lent: dict[str, str] = {}

    def of_disk(self, backend: Any, *, asked: dict[str, Any], source: Any) -> str | None:
        """Return the ARN of the key that a disk from the snapshot of the image `source` gets; None: no encryption.

        `asked` has `Encrypted` and `KmsKeyId` of the request.
        """
        from moto.ec2.exceptions import InvalidParameterDependency

        encrypted, key = asked.get("Encrypted") in (True, "true"), asked.get("KmsKeyId")
        if key and not encrypted:
            raise InvalidParameterDependency("KmsKeyId", "Encrypted")
        if key:
            return self._arn(backend, key)
        inherited = source.ebs_snapshot.kms_key_id
        if inherited and source.owner_id == backend.account_id and source.ec2_backend is backend:
            return str(inherited)
        return self.default(backend) if encrypted or inherited or backend.ebs_encryption_by_default else None

    def default(self, backend: Any) -> str:
        """Return the ARN of the key that AWS manages for the account's disks."""
        return str(backend.default_kms_key_id or backend._create_default_encryption_key())

    def lend(self, arn: str, *, to: str) -> None:
        """Let the key be another account's from now on; the user's is `to`."""
        self._lent[arn] = to

    def refusal(self, backend: Any, arns: Iterable[str | None], *, spot: bool = False) -> str | None:
        """Return why a machine ends at once as EBS may not use one of these keys; None if it may."""
        for arn in filter(None, arns):
            key = _key(arn)
            if key is None or key.key_state != "Enabled":
                return BAD_KEY
            if key.key_manager == "AWS":
                continue  # its own policy lets everybody in who may use EBS
            if spot and not _granted(key, self._lent.get(arn, backend.account_id)):
                return NO_KEY
            context = {
                "kms:ViaService": f"ec2.{backend.region_name}.amazonaws.com",
                "kms:GrantIsForAWSResource": "true",
            }
            for action in _NEEDED:
                may = self._rights.may(f"kms:{action}", resource=arn, context=context)
                if not may or (arn in self._lent and not _lets_in(key, f"kms:{action}", self._lent[arn])):
                    return NO_KEY
        return None

    def _arn(self, backend: Any, name: str) -> str:
        from moto.backends import get_backend

        keys = get_backend("kms")[backend.account_id][backend.region_name]
        try:
            return str(keys.describe_key(name).arn)
        except (KeyError, AttributeError):
            return name  # EBS finds out later


def create_alias(original: Any) -> Any:
    """Let keys whose alias is AWS's be managed by AWS: moto calls them the customer's."""

    def create(backend: Any, target_key_id: str, alias_name: str) -> Any:
        alias = original(backend, target_key_id, alias_name)
        if alias_name.startswith("alias/aws/"):
            backend.keys[backend.get_key_id(target_key_id)].key_manager = "AWS"
        return alias

    return create


def _key(arn: str) -> Any:
    from moto.backends import get_backend

    if arn.count(":") < 5:
        return None
    region, account, name = arn.split(":")[3:6]
    return get_backend("kms")[account][region].keys.get(name.removeprefix("key/"))


def _granted(key: Any, account: str) -> bool:
    """Tell whether the role by which EC2 starts spot machines of that account was granted the use of a key.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html
    """
    role = f"arn:aws:iam::{account}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
    return any(grant.grantee_principal == role and {*grant.operations} >= {*_NEEDED} for grant in key.grants.values())


def _lets_in(key: Any, action: str, account: str) -> bool:
    """Tell whether the policy of a key lets another account do that."""
    for statement in json.loads(key.policy)["Statement"]:
        who = statement["Principal"]["AWS"]
        actions = statement["Action"]
        if f"arn:aws:iam::{account}:root" in (who if isinstance(who, list) else [who]) and any(
            fnmatchcase(action, pattern) for pattern in (actions if isinstance(actions, list) else [actions])
        ):
            return True
    return False
