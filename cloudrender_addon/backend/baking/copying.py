# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a machine image into another region. The record leads to the copy in that region, should the client die."""

from __future__ import annotations

from collections.abc import Callable

from ..aws import image_making
from ..aws.machine_images import MachineImage
from ..aws.session import Account
from ..cancel import CancelToken
from ..farms.base import Farm
from .finishing import ask_for_image, end_now, finish_image
from .record import BuildFolder


def copy_image(
    folder: BuildFolder,
    source: MachineImage,
    *,
    account: Account,
    farm: Farm,
    say: Callable[[str], None],
    cancel: CancelToken,
) -> MachineImage:
    """Copy `source` into the account's region and return the copy, once it is whole. The caller holds the lock.

    What comes of a failed one is deleted. Raises `CloudError` and its kinds, `Cancelled`.
    """
    encryption = folder.load().encryption
    try:
        copy_id = ask_for_image(
            folder,
            lambda: image_making.copy_image(account, source, encryption=encryption, job_id=folder.build_id),
            sleep=cancel.sleep,
        )
        say(f"AWS copies {source.id} to {copy_id} in {account.region}, which takes some minutes")
        copied = finish_image(folder, account, copy_id, say=say, sleep=cancel.sleep)
    except BaseException as error:
        say("Undoing what was done")
        end_now(folder, account=account, farm=farm, cause=error)
        say(f"Nothing of the copy is left in {account.region}")
        raise
    end_now(folder, account=account, farm=farm)
    return copied
