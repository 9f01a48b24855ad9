# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that the account makes itself: CreateImage, CopyImage, DeregisterImage, and the disk that is in them.

An image keeps a copy of what is a machine's own disk here (`DISK`: the other folders are this computer's); a machine
launched from it starts with that. Actions: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html,
…/API_CopyImage.html, …/API_DeregisterImage.html.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.localcloud.machine import DISK, Machine

_NAME = re.compile(r"[\w ()./\-'@\[\]]{3,128}", re.ASCII)


class OwnImages:
    """The disks of the account's images, in `folder`; `machine_of` finds the machine of an instance id.

    `seconds` is how long an image stays pending; with `failing` it is `failed` then.
    """

    def __init__(self, folder: Path, *, machine_of: Callable[[str], Machine]) -> None:
        self.seconds = 0.0
        self.failing = False
        self._folder = folder
        self._machine_of = machine_of
        self._copies: dict[tuple[str, Any], str] = {}
        self._lock = threading.Lock()

    def disk_of(self, image_id: str) -> Path | None:
        """Return the folder with what a machine of this image finds on its disk; None: an empty one."""
        folder = self._folder / image_id
        return folder if folder.is_dir() else None

    def create(self, response: Any) -> Any:
        """Answer CreateImage, in the place of moto's method."""
        from moto.core.responses import ActionResult
        from moto.ec2.exceptions import EC2ClientError

        backend = response.ec2_backend
        instance = backend.get_instance(response._get_param("InstanceId"))
        state = instance._state.name
        if state not in ("running", "stopped"):
            raise EC2ClientError("IncorrectState", f"The instance '{instance.id}' is not in a state ({state}) for it.")
        if state == "running" and response._get_param("NoReboot") not in (True, "true"):
            raise EC2ClientError("UnsupportedOperation", "The stand-in does not reboot: stop it first, or NoReboot")
        machine = self._machine_of(instance.id)
        if machine.order.disk_mb:
            raise EC2ClientError("UnsupportedOperation", "The stand-in has no image of a disk that can be filled")
        source = backend.amis[instance.image_id]
        volume = next(iter(instance.block_device_mapping.values()), None)
        size = int(volume.size) if volume else source.block_device_mappings[0]["Ebs"]["VolumeSize"]
        image = self._new(response, instance=instance, size_gb=size, encrypted=bool(volume and volume.encrypted))
        with self._lock:
            for name in DISK:
                shutil.copytree(machine.folder / name, self._folder / image.id / name, symlinks=True)
        return ActionResult({"ImageId": image.id})

    def copy(self, response: Any) -> Any:
        """Answer CopyImage, likewise."""
        from moto.backends import get_backend
        from moto.core.responses import ActionResult

        backend = response.ec2_backend
        there = get_backend("ec2")[backend.account_id][response._get_param("SourceRegion")]
        token = (backend.region_name, response._get_param("ClientToken"))
        if (made := self._copies.get(token)) in backend.amis:
            return ActionResult({"ImageId": made})
        source = there.describe_images(ami_ids=[response._get_param("SourceImageId")])[0]
        ebs = source.block_device_mappings[0]["Ebs"]
        encrypted = ebs["Encrypted"] or response._get_param("Encrypted") in (True, "true")
        image = self._new(response, source_ami=source, size_gb=ebs["VolumeSize"], encrypted=encrypted)
        if response._get_param("CopyImageTags") in (True, "true"):
            image.add_tags(there.tags.get(source.id, {}))
        with self._lock:
            if (disk := self.disk_of(source.id)) is not None:
                shutil.copytree(disk, self._folder / image.id, symlinks=True)
        if token[1]:
            self._copies[token] = image.id
        return ActionResult({"ImageId": image.id})

    def deregister(self, original: Any) -> Any:
        """Let DeregisterImage take the snapshots along, where it is asked to."""

        def deregister_image(response: Any) -> Any:
            backend, image_id = response.ec2_backend, response._get_param("ImageId")
            image = backend.amis.get(image_id)
            answer = original(response)
            if response._get_param("DeleteAssociatedSnapshots") in (True, "true"):
                backend.snapshots.pop(image.ebs_snapshot.id, None)
            return answer

        return deregister_image

    def _new(self, response: Any, *, size_gb: int, encrypted: bool, **source: Any) -> Any:
        """Put an image that is pending on the account's shelf."""
        from moto.ec2.exceptions import EC2ClientError
        from moto.ec2.utils import random_ami_id

        backend, name = response.ec2_backend, response._get_param("Name") or ""
        if not _NAME.fullmatch(name):
            raise EC2ClientError("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long, …")
        if any(each.name == name and each.owner_id == backend.account_id for each in backend.amis.values()):
            raise EC2ClientError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use")
        image = _own_image()(
            backend,
            random_ami_id(),
            name=name,
            description=response._get_param("Description") or "",
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name="/dev/sda1",
            region_name=f"{backend.region_name}a",
            **source,
        )
        image.size_gb, image.encrypted = size_gb, encrypted
        image.ready_at, image.fails = time.monotonic() + self.seconds, self.failing
        image.ebs_snapshot.volume.size = size_gb
        image.ebs_snapshot.encrypted = encrypted
        carriers = {"image": image, "snapshot": image.ebs_snapshot}
        for specification in response._get_param("TagSpecifications", []):
            tags = {tag["Key"]: tag["Value"] for tag in specification["Tags"]}
            carriers[specification["ResourceType"]].add_tags(tags)
        backend.amis[image.id] = image
        return image


def _own_image() -> Any:
    """Return moto's class of images, with the states that EC2's go through and the disk they were made from."""
    from moto.ec2.models.amis import Ami

    class OwnImage(Ami):  # type: ignore[misc]
        ready_at, fails, size_gb, encrypted = 0.0, False, 0, False

        @property
        def state(self) -> str:
            if time.monotonic() < self.ready_at:
                return "pending"
            return "failed" if self.fails else "available"

        @state.setter
        def state(self, _value: str) -> None:
            """Nothing: moto sets "available" at once."""

        @property
        def state_reason(self) -> dict[str, str] | None:
            failed = {"Code": "Client.InternalError", "Message": "Client.InternalError: Client error on launch"}
            return failed if self.state == "failed" else None

        @property
        def block_device_mappings(self) -> list[dict[str, Any]]:
            ebs = {
                "SnapshotId": self.ebs_snapshot.id,
                "VolumeSize": self.size_gb,
                "DeleteOnTermination": True,
                "VolumeType": "gp3",
                "Encrypted": self.encrypted,
            }
            return [{"DeviceName": self.root_device_name, "Ebs": ebs}]

    return OwnImage


def stop_instances(original: Any) -> Any:
    """Refuse to stop a spot machine, as EC2 does one whose request is not persistent."""

    def stop(backend: Any, instance_ids: list[str]) -> Any:
        from moto.ec2.exceptions import EC2ClientError

        for instance in backend.get_multi_instances_by_id(instance_ids):
            if instance.lifecycle == "spot":
                text = f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time"
                raise EC2ClientError("UnsupportedOperation", f"{text} Spot Instance request.")
        return original(backend, instance_ids)

    return stop
