# SPDX-License-Identifier: GPL-3.0-or-later
"""RunInstances as EC2 does it: checks, ClientToken, spot request, and a real machine for every instance."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from typing import Any
from unittest import mock

from tests.localcloud import catalogue
from tests.localcloud.disk_keys import DiskKeys
from tests.localcloud.lifecycle import Lifecycle

_USER_DATA_LIMIT = 16384  # bytes before base64
_TOKEN_LIMIT = 64  # characters


def wired(original: Any, lifecycle: Lifecycle, keys: DiskKeys) -> Any:
    """Every launch, whatever call it comes from, passes here: give it a spot request, a disk's key and a machine."""

    def run_instances(backend: Any, image_id: str, *args: Any, **kwargs: Any) -> Any:
        _check_fit(backend, image_id, kwargs)
        reservation = original(backend, image_id, *args, **kwargs)
        for instance in reservation.instances:
            instance.spot_instance_request_id = None
            if kwargs.get("instance_market_options") == "spot":
                _record_spot_request(backend, instance)
            lifecycle.launch(instance, fails=_encrypt(backend, instance, kwargs, keys))
        return reservation

    return run_instances


def _encrypt(backend: Any, instance: Any, request: dict[str, Any], keys: DiskKeys) -> str | None:
    """Give the disk of an instance its key, whatever moto has done; return why it cannot be opened, None if it can."""
    image = backend.amis[instance.image_id]
    asked = next((mapping["Ebs"] for mapping in request.get("block_device_mappings") or ()), {})
    arn = keys.of_disk(backend, asked=asked, source=image)
    for device in instance.block_device_mapping.values():
        volume = backend.volumes[device.volume_id]
        volume.encrypted, volume.kms_key_id = arn is not None, arn
    spot = request.get("instance_market_options") == "spot"
    return keys.refusal(backend, [arn, image.ebs_snapshot.kms_key_id], spot=spot)


def _check_fit(backend: Any, image_id: str, request: dict[str, Any]) -> None:
    """Refuse a disk smaller than the image, and a processor the image is not for."""
    from moto.ec2.exceptions import EC2ClientError

    image = backend.amis.get(image_id)
    if image is None or request.get("is_instance_type_default"):
        return  # moto itself refuses what it does not know
    if image.state != "available":
        text = f"The image id '[{image_id}]' is not available: it is {image.state}"
        raise EC2ClientError("InvalidAMIID.Unavailable", text)
    kind = request["instance_type"]
    architectures = catalogue.architectures_of(kind)
    if architectures and image.architecture not in architectures:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"The architecture '{image.architecture}' of the specified AMI does not match the architecture "
            f"'{architectures[0]}' of the specified instance type '{kind}'.",
        )
    for mapping in request.get("block_device_mappings") or ():
        size = mapping["Ebs"].get("VolumeSize")
        needed = image.block_device_mappings[0]["Ebs"]["VolumeSize"]
        if mapping["DeviceName"] == image.root_device_name and size and int(size) < needed:
            raise EC2ClientError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{image.ebs_snapshot.id}', expect size>= {needed}GB",
            )


def _record_spot_request(backend: Any, instance: Any) -> None:
    """Record the spot request that RunInstances makes on AWS, without launching a second time as moto's does."""
    from moto.ec2.models.spot_requests import SpotInstanceRequest
    from moto.ec2.utils import random_spot_request_id

    with mock.patch.object(SpotInstanceRequest, "launch_instance", lambda _: instance):
        request = SpotInstanceRequest(
            backend,
            spot_request_id=random_spot_request_id(),
            price="",
            image_id=instance.image_id,
            spot_instance_type="one-time",
            valid_from=None,
            valid_until=None,
            launch_group=None,
            availability_zone_group=None,
            key_name=instance.key_name,
            security_groups=[group.id for group in instance.security_groups],
            user_data=None,
            instance_type=instance.instance_type,
            placement=instance.placement.zone,
            kernel_id=None,
            ramdisk_id=None,
            monitoring_enabled=False,
            subnet_id=instance.subnet_id,
            tags={},
            spot_fleet_id=None,
            instance_interruption_behaviour="terminate",
        )
    backend.spot_instance_requests[request.id] = request
    instance.spot_instance_request_id = request.id


def idempotent(original: Any) -> Any:
    """Answer a repeated ClientToken with the first launch, and refuse it for a different one."""
    lock = threading.Lock()
    launches: dict[tuple[str, str, str], tuple[str, Any]] = {}

    def run_instances(response: Any) -> Any:
        from moto.ec2.exceptions import EC2ClientError

        token = response._get_param("ClientToken")
        if not token or response._get_param("DryRun"):
            return original(response)
        parameters = json.dumps(response.data, sort_keys=True, default=str)
        digest = hashlib.sha256(parameters.encode()).hexdigest()
        key = (response.current_account, response.region, token)
        with lock:
            if key not in launches:
                launches[key] = (digest, original(response))
            known, result = launches[key]
        if known != digest:
            raise EC2ClientError(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )
        return result

    return run_instances


def checked(original: Any) -> Any:
    """Refuse what EC2 refuses before it looks at anything else."""

    def run_instances(response: Any) -> Any:
        from moto.ec2.exceptions import EC2ClientError, InvalidInstanceTypeError

        token = response._get_param("ClientToken") or ""
        if len(token) > _TOKEN_LIMIT:
            raise EC2ClientError("InvalidParameterValue", "ClientToken may only be up to 64 ASCII characters.")
        user_data = response._get_param("UserData")
        if user_data and len(base64.b64decode(user_data)) > _USER_DATA_LIMIT:
            raise EC2ClientError("InvalidParameterValue", "User data is limited to 16384 bytes")
        try:
            return original(response)
        except InvalidInstanceTypeError as error:
            kind = response._get_param("InstanceType")
            raise EC2ClientError("InvalidParameterValue", f"Invalid value '{kind}' for InstanceType.") from error

    return run_instances
