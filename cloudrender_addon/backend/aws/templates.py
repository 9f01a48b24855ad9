# SPDX-License-Identifier: GPL-3.0-or-later
"""The launch templates of one launch: one for each machine type, as image, disk and boot script differ.

CreateFleet takes what a machine is made of from nowhere else:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html. They cost nothing.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import CloudError, PermissionsError
from .disk_keys import DEFAULT_KEY, Encryption
from .errors import code_of
from .tags import launch_name, tagged

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        LaunchTemplateEbsBlockDeviceRequestTypeDef,
        LaunchTemplateTagSpecificationRequestTypeDef,
        RequestLaunchTemplateDataTypeDef,
    )

    from .session import Account


@dataclass(frozen=True, kw_only=True)
class Build:
    """What a machine is made of. `volume_gb` in GiB; `user_data` is the text the machine runs at boot."""

    token: str
    job_id: str
    instance_type: str
    on_demand: bool
    image_id: str
    root_device: str
    volume_gb: int
    key_name: str
    group_id: str
    user_data: str
    encryption: Encryption = DEFAULT_KEY

    @property
    def template_name(self) -> str:
        return f"{launch_name(self.token)}-{self.instance_type}"


def template_data(build: Build) -> RequestLaunchTemplateDataTypeDef:
    """Return a machine in the words that launch templates and RunInstances share."""
    marks = {"job_id": build.job_id, "token": build.token}
    tags: list[LaunchTemplateTagSpecificationRequestTypeDef] = [
        tagged("instance", **marks),
        tagged("volume", **marks),
    ]
    if not build.on_demand:  # naming a kind that the launch does not make fails the launch
        tags.append(tagged("spot-instances-request", **marks))
    data: RequestLaunchTemplateDataTypeDef = {
        "ImageId": build.image_id,
        "InstanceType": build.instance_type,  # type: ignore[typeddict-item]
        "InstanceInitiatedShutdownBehavior": "terminate",  # what makes the dead-man switch end the costs
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        "BlockDeviceMappings": [{"DeviceName": build.root_device, "Ebs": _disk(build)}],
        "KeyName": build.key_name,
        "UserData": base64.b64encode(build.user_data.encode("ascii")).decode("ascii"),
        "TagSpecifications": tags,
    }
    if build.group_id:
        data["SecurityGroupIds"] = [build.group_id]
    return data


def _disk(build: Build) -> LaunchTemplateEbsBlockDeviceRequestTypeDef:
    disk: LaunchTemplateEbsBlockDeviceRequestTypeDef = {
        "VolumeSize": build.volume_gb,
        "VolumeType": "gp3",
        "DeleteOnTermination": True,
    }
    if build.encryption.on:  # without a key: the image's own one, or the account's default
        disk["Encrypted"] = True
    if build.encryption.key:
        disk["KmsKeyId"] = build.encryption.key
    return disk


def make_template(account: Account, build: Build) -> None:
    """Make the template of one machine type. Idempotent. Raises `CloudError`."""
    try:
        with account.calling("ec2:CreateLaunchTemplate"):
            account.ec2.create_launch_template(
                LaunchTemplateName=build.template_name,
                LaunchTemplateData=template_data(build),
                TagSpecifications=[tagged("launch-template", job_id=build.job_id, token=build.token)],
            )
    except CloudError as error:
        if code_of(error) != "InvalidLaunchTemplateName.AlreadyExistsException":
            raise


def delete_template(account: Account, name: str) -> None:
    """Delete the template. Idempotent. Raises `CloudError`."""
    try:
        with account.calling("ec2:DeleteLaunchTemplate"):
            account.ec2.delete_launch_template(LaunchTemplateName=name)
    except CloudError as error:
        if code_of(error).startswith("InvalidLaunchTemplateName.NotFound"):
            return
        # One that is gone has no tags, and the policy's condition on tags refuses: a look tells the two apart.
        if isinstance(error, PermissionsError):
            with account.calling("ec2:DescribeLaunchTemplates"):
                wanted = [{"Name": "launch-template-name", "Values": [name]}]
                if not account.ec2.describe_launch_templates(Filters=wanted)["LaunchTemplates"]:  # type: ignore[arg-type]
                    return
        raise
