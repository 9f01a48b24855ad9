# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that outlived their machine. They are made to be deleted with it, so there should be none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CleanupError, CloudError
from .errors import code_of
from .pace import paced

if TYPE_CHECKING:
    from .session import Account


def delete_volume(account: Account, volume_id: str, *, deadline: float) -> None:
    """Delete the disk once nothing holds it, or see it gone. Idempotent.

    `deadline` is `time.monotonic()` seconds. Raises `CleanupError` when it is still in use then, `CloudError`.
    """
    for _ in paced(deadline=deadline, first=0.3, longest=3.0):
        with account.calling("ec2:DescribeVolumes"):
            found = account.ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [volume_id]}])["Volumes"]
        state = found[0].get("State", "") if found else "deleted"
        if state in ("deleting", "deleted"):
            return
        if state != "in-use":
            try:
                with account.calling("ec2:DeleteVolume"):
                    account.ec2.delete_volume(VolumeId=volume_id)
            except CloudError as error:  # deleted with its machine, or taken by it, since we looked
                if code_of(error) not in ("InvalidVolume.NotFound", "VolumeInUse"):
                    raise
    raise CleanupError(
        f"The disk {volume_id} is still in use by a machine",
        resources=(volume_id,),
        hint="Run `cloudrender clean-up` again in some minutes",
    )
