# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots that outlived their image. They are to be deleted with it, so there should be none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CloudError
from .errors import code_of
from .pace import paced
from .policy import calling_for_images

if TYPE_CHECKING:
    from .session import Account


def delete_snapshot(account: Account, snapshot_id: str, *, deadline: float) -> None:
    """Delete the snapshot once no image has it, or see it gone. Idempotent.

    AWS calls it in use for a while after its image was deregistered: it is tried until `deadline` (`time.monotonic()`
    seconds). Raises `CloudError`.
    """
    for last in paced(deadline=deadline, first=0.3, longest=5.0):
        with calling_for_images(account, "ec2:DescribeSnapshots"):
            found = account.ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": [snapshot_id]}])
        if not found["Snapshots"]:
            return
        try:
            with calling_for_images(account, "ec2:DeleteSnapshot"):
                account.ec2.delete_snapshot(SnapshotId=snapshot_id)
        except CloudError as error:
            if last or code_of(error) not in ("InvalidSnapshot.NotFound", "InvalidSnapshot.InUse"):
                raise
        else:
            return
