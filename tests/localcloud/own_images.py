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

from tests.localcloud.catalogue import ACCOUNT
from tests.localcloud.disk_keys import DiskKeys
from tests.localcloud.machine import DISK, Machine

OTHER_ACCOUNT = "210987654321"

_GIB = 1024**3
_NAME = re.compile(r"[\w ()./\-'@\[\]]{3,128}", re.ASCII)


class OwnImages:
    """The disks of the account's images, in `folder`; `machine_of` finds the machine of an instance id.

    `seconds` is how long an image stays pending; with `failing` it is `failed` then. With `keeping_snapshots` they
    cannot be deleted together with an image.
    """

    def __init__(self, folder: Path, *, machine_of: Callable[[str], Machine], keys: DiskKeys) -> None:
        self.keys = keys
        self.seconds = 0.0
        self.failing = self.keeping_snapshots = False
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
        key = backend.volumes[volume.volume_id].kms_key_id if volume else None
        image = self._new(response, instance=instance, size_gb=size, key=key)
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
        size = source.block_device_mappings[0]["Ebs"]["VolumeSize"]
        asked = {name: response._get_param(name) for name in ("Encrypted", "KmsKeyId")}
        key = self.keys.of_disk(backend, asked=asked, source=source)
        image = self._new(response, source_ami=source, size_gb=size, key=key)
        if self.keys.refusal(backend, [key, source.ebs_snapshot.kms_key_id]):
            image.fails = True  # the call itself is answered before anybody looks at the key
        if response._get_param("CopyImageTags") in (True, "true"):
            image.add_tags(there.tags.get(source.id, {}))
        with self._lock:
            if (disk := self.disk_of(source.id)) is not None:
                shutil.copytree(disk, self._folder / image.id, symlinks=True)
        if token[1]:
            self._copies[token] = image.id
        return ActionResult({"ImageId": image.id})

    def deregister(self, original: Any) -> Any:
        """Let DeregisterImage take the snapshots along that it knows of, where it is asked to."""
        from moto.core.responses import ActionResult

        def deregister_image(response: Any) -> Any:
            backend, image_id = response.ec2_backend, response._get_param("ImageId")
            image = backend.amis.get(image_id)
            original(response)
            disks = [each["Ebs"] for each in image.block_device_mappings]
            snapshots = [each["SnapshotId"] for each in disks if "SnapshotId" in each]
            if response._get_param("DeleteAssociatedSnapshots") not in (True, "true"):
                return ActionResult({"Return": True})
            code = "internal-error" if self.keeping_snapshots else "success"
            if not self.keeping_snapshots:
                for each in snapshots:
                    backend.snapshots.pop(each, None)
            results = [{"SnapshotId": each, "ReturnCode": code} for each in snapshots]
            return ActionResult({"Return": True, "DeleteSnapshotResults": results})

        return deregister_image

    def modify(self, original: Any) -> Any:
        """Let ModifyImageAttribute refuse to share what nobody else could open."""

        def modify_image_attribute(response: Any) -> Any:
            from moto.ec2.exceptions import EC2ClientError

            backend = response.ec2_backend
            image = backend.amis.get(response._get_param("ImageId"))
            adds = response._get_param("LaunchPermission", {}).get("Add")
            key = image.ebs_snapshot.kms_key_id if image else None
            if adds and key and key == self.keys.default(backend):
                text = "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot."
                raise EC2ClientError("InvalidParameter", text)
            return original(response)

        return modify_image_attribute

    def lend(self, image_id: str, *, to: str) -> None:
        """Change the roles: from now on the image and its key are another account's, and the user's account is `to`.

        It has to be shared with `to`. Another account sees neither tags nor the snapshot.
        """
        from moto.backends import get_backend

        backends = get_backend("ec2")[ACCOUNT].values()
        backend, image = next((each, each.amis[image_id]) for each in backends if image_id in each.amis)
        if {"UserId": to} not in image.launch_permissions:
            raise AssertionError(f"{image_id} is not shared with {to}")
        image.owner_id = image.ebs_snapshot.owner_id = OTHER_ACCOUNT
        for each in (image.id, image.ebs_snapshot.id):
            backend.tags.pop(each, None)
        backend.snapshots.pop(image.ebs_snapshot.id)
        if image.ebs_snapshot.kms_key_id:
            self.keys.lend(image.ebs_snapshot.kms_key_id, to=to)

    def _new(self, response: Any, *, size_gb: int, key: str | None, **source: Any) -> Any:
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
        image.size_gb = size_gb
        image.ready_at, image.fails = time.monotonic() + self.seconds, self.failing
        image.ebs_snapshot.volume.size = size_gb
        image.ebs_snapshot.encrypted, image.ebs_snapshot.kms_key_id = key is not None, key
        image.ebs_snapshot.full_snapshot_size_in_bytes = size_gb * _GIB // 2
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
        ready_at, fails, size_gb = 0.0, False, 0

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
                # Of one that is only begun AWS may not tell it yet.
                **({} if self.state == "pending" else {"SnapshotId": self.ebs_snapshot.id}),
                "VolumeSize": self.size_gb,
                "DeleteOnTermination": True,
                "VolumeType": "gp3",
                "Encrypted": self.ebs_snapshot.encrypted,
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
