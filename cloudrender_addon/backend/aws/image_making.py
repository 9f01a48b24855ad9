# SPDX-License-Identifier: GPL-3.0-or-later
"""How a machine image comes to be: made of a stopped machine or copied from another region, and waited for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from ..errors import CloudError, ImageError, MachineGoneError, PermissionsError
from . import instances
from .disk_keys import Encryption
from .errors import code_of
from .machine_images import Contents, MachineImage, find_image, image_tags, list_images
from .pace import insisted, paced
from .policy import calling_for_images

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_ec2.type_defs import CopyImageRequestTypeDef, TagSpecificationTypeDef

    from .session import Account

_APPEAR_SECONDS = 20.0
_log = logging.getLogger(__name__)


def try_rights(account: Account, instance_id: str) -> None:
    """Ask, without effect, for what `stop_machine` and `make_image` will need, before the minutes until then.

    Raises `PermissionsError`. Whatever else comes of it is not told: the calls themselves will.
    """
    contents = Contents(kind="g", blender=(), driver="")
    for action, ask in (
        ("ec2:StopInstances", lambda: account.ec2.stop_instances(InstanceIds=[instance_id], DryRun=True)),
        (
            "ec2:CreateImage",
            lambda: account.ec2.create_image(
                InstanceId=instance_id,
                Name="cloudrender-try",
                TagSpecifications=_tagged("cloudrender-try", contents, job_id="try"),
                DryRun=True,
            ),
        ),
    ):
        try:
            with calling_for_images(account, action):
                ask()
        except PermissionsError:
            raise
        except CloudError as other:  # DryRunOperation: granted
            _log.debug("%s: %s", action, other.message)


def stop_machine(account: Account, instance_id: str, *, deadline: float, sleep: Callable[[float], None]) -> None:
    """Shut the machine down, in order and without ending it, and return once it is stopped. Idempotent.

    `deadline` is `time.monotonic()` seconds; `sleep` is `CancelToken.sleep`. Raises `MachineGoneError` if it ends
    instead, `CloudError`, and what `sleep` raises.
    """

    def ask() -> None:
        with calling_for_images(account, "ec2:StopInstances"):
            account.ec2.stop_instances(InstanceIds=[instance_id])

    insisted(ask, deadline=deadline, sleep=sleep)
    for last in paced(deadline=deadline, first=0.2, longest=3.0, sleep=sleep):
        try:
            state = _state_of(account, instance_id)
        except CloudError as error:
            if last or not error.retryable:
                raise
            continue
        if state == "stopped":
            return
    raise CloudError(f"The machine {instance_id} did not shut down in time", hint="Try again")


def make_image(account: Account, *, instance_id: str, job_id: str, name: str, contents: Contents) -> str:
    """Ask for an image of a stopped machine and return its id. Idempotent by `job_id`.

    Raises `MachineGoneError`, `CloudError`.
    """
    try:
        with calling_for_images(account, "ec2:CreateImage"):
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
        if code_of(error) in ("IncorrectState", "IncorrectInstanceState", "InvalidInstanceID.NotFound"):
            _state_of(account, instance_id)  # ended since it was stopped, it says better why
        raise
    return answer["ImageId"]


def copy_image(account: Account, image: MachineImage, *, encryption: Encryption, job_id: str) -> str:
    """Ask for a copy of an image in the account's region and return its id. Raises `CloudError`.

    Idempotent by `job_id`. Until `keep_image` it counts as half-made. The key of the source serves in its own region
    only, so the copy has the default one unless a key is named.
    """
    asked: CopyImageRequestTypeDef = {
        "ClientToken": job_id,
        "SourceImageId": image.id,
        "SourceRegion": image.region,
        "Name": image.name,
        "Encrypted": encryption.on,
        "TagSpecifications": _tagged(image.name, image.contents, job_id=job_id),
    }
    if encryption.key:
        asked["KmsKeyId"] = encryption.key
    with calling_for_images(account, "ec2:CopyImage"):
        answer = account.ec2.copy_image(**asked)
    return answer["ImageId"]


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


def _state_of(account: Account, instance_id: str) -> str:
    """Return EC2's word for the state of a machine that is there. Raises `MachineGoneError`, `CloudError`."""
    found = instances.describe(account, instance_id)
    if found is None or found.state in ("shutting-down", instances.TERMINATED):
        reason = instances.explain(found.reason) if found else ""
        raise MachineGoneError(f"The machine {instance_id} has ended: {reason or 'no reason was given'}")
    return found.state


def _tagged(name: str, contents: Contents, *, job_id: str) -> Sequence[TagSpecificationTypeDef]:
    tags = image_tags(name, contents, job_id=job_id)
    return [{"ResourceType": "image", "Tags": tags}, {"ResourceType": "snapshot", "Tags": tags}]
