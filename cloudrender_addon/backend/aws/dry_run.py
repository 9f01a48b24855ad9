# SPDX-License-Identifier: GPL-3.0-or-later
"""Every EC2 call of a job, tried without effect: which rights are missing is known before money is spent.

With DryRun=True EC2 looks at the rights first and then does nothing: a granted call is answered with the error
DryRunOperation, a denied one with UnauthorizedOperation (the parameter's description at each action of
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/). Where there is nothing yet to end or to delete, an id is
named that nothing has: iam-policy.json allows the calls for these ids besides for what carries our tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..atonce import all_at_once
from ..errors import CapacityError, CloudrenderError, ConfigError, ImageError, PermissionsError, QuotaError
from .errors import code_of, denied_action
from .tags import tagged
from .templates import template_data

if TYPE_CHECKING:
    from .session import Account
    from .templates import Build

NAME = "cloudrender-check-setup"
"""Of nothing that exists, like the ids below."""

GROUP_ID = "sg-00000000000000000"
_INSTANCE_ID = "i-00000000000000000"
_VOLUME_ID = "vol-00000000000000000"
_REQUEST_ID = "sir-00000000"
_TEMPLATE_ID = "lt-00000000000000000"

_LOOKS = (
    "DescribeImages",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeKeyPairs",
    "DescribeLaunchTemplates",
    "DescribeRegions",
    "DescribeSecurityGroups",
    "DescribeSpotInstanceRequests",
    "DescribeSpotPriceHistory",
    "DescribeSubnets",
    "DescribeVolumes",
)

# AWS asks for this right when a launch finds that the account never had a spot machine.
_FIRST_SPOT = "AuthFailure.ServiceLinkedRoleCreationNotPermitted"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A right that is missing, as an IAM action. `by_organization`: a policy of the account cannot give it."""

    action: str
    by_organization: bool


def refusals(
    account: Account, *, builds: Sequence[Build], vpc_id: str, subnet_id: str | None, own_group: bool
) -> tuple[Refusal, ...]:
    """Try every call and return the missing rights, each once. Nothing is made or changed.

    `builds` are the machines to try; a `group_id` or `subnet_id` that is empty is left to EC2 (the network's default
    group). `own_group`: a job makes its security group in `vpc_id`. Raises `CloudError` for anything but rights.
    """
    tries = [*_tries(builds, vpc_id=vpc_id, subnet_id=subnet_id, own_group=own_group)]
    _ = account.ec2  # before the threads, which would only queue for it
    found = all_at_once(partial(_refusal, account, *each) for each in tries)
    return tuple(dict.fromkeys(refusal for refusal in found if refusal))


def _tries(
    builds: Sequence[Build], *, vpc_id: str, subnet_id: str | None, own_group: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the parameters of each call."""
    for name in _LOOKS:
        yield name, {}
    # CreateTags has no try of its own: the tags come with the launch, the key and the group, as in a job.
    for build in builds:
        # What CreateFleet does for us it does with our rights: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
        # ec2-fleet-prerequisites.html
        yield "RunInstances", _launch(build, subnet_id=subnet_id)
    yield (
        "CreateLaunchTemplate",
        {
            "LaunchTemplateName": NAME,
            "LaunchTemplateData": {"InstanceType": builds[0].instance_type},
            "TagSpecifications": [tagged("launch-template", job_id=NAME, token=NAME)],
        },
    )
    yield (
        "CreateFleet",
        {
            "Type": "instant",
            "TargetCapacitySpecification": {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "spot"},
            "LaunchTemplateConfigs": [
                {
                    "LaunchTemplateSpecification": {"LaunchTemplateId": _TEMPLATE_ID, "Version": "$Default"},
                    # The right is asked for on the subnet, too.
                    "Overrides": [{"SubnetId": subnet_id}] if subnet_id else [],
                }
            ],
        },
    )
    yield "DeleteLaunchTemplate", {"LaunchTemplateId": _TEMPLATE_ID}
    yield (
        "ImportKeyPair",
        {
            "KeyName": NAME,
            "PublicKeyMaterial": b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "TagSpecifications": [tagged("key-pair", job_id=NAME, token=NAME)],
        },
    )
    yield "DeleteKeyPair", {"KeyName": NAME}
    if own_group:
        group = {"GroupName": NAME, "Description": NAME, **({"VpcId": vpc_id} if vpc_id else {})}
        tags = [tagged("security-group", job_id=NAME, token=NAME)]
        port_22 = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "192.0.2.1/32"}]}
        yield "CreateSecurityGroup", {**group, "TagSpecifications": tags}
        yield "AuthorizeSecurityGroupIngress", {"GroupId": GROUP_ID, "IpPermissions": [port_22]}
        yield "DeleteSecurityGroup", {"GroupId": GROUP_ID}
    yield "CancelSpotInstanceRequests", {"SpotInstanceRequestIds": [_REQUEST_ID]}
    yield "DeleteVolume", {"VolumeId": _VOLUME_ID}
    yield "TerminateInstances", {"InstanceIds": [_INSTANCE_ID]}


def _launch(build: Build, *, subnet_id: str | None) -> dict[str, Any]:
    request: dict[str, Any] = {**template_data(build), "MinCount": 1, "MaxCount": 1, "UserData": build.user_data}
    del request["KeyName"]  # it does not exist
    if subnet_id:
        request["SubnetId"] = subnet_id
    if not build.on_demand:
        request["InstanceMarketOptions"] = {"MarketType": "spot"}
    return request


def _refusal(account: Account, name: str, parameters: dict[str, Any]) -> Refusal | None:
    action = f"ec2:{name}"
    call = getattr(account.ec2, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
    try:
        with account.calling(action):
            call(DryRun=True, **parameters)
    except PermissionsError as error:
        if code_of(error) == _FIRST_SPOT:
            return Refusal(action="iam:CreateServiceLinkedRole", by_organization=False)
        by_organization = "service control policy" in str(error.__cause__)
        # A launch may be refused for want of ec2:CreateTags: AWS knows which one is missing.
        return Refusal(action=denied_action(error) or action, by_organization=by_organization)
    except CloudrenderError as error:
        if not _after_the_rights(error):
            raise
    return None


def _after_the_rights(error: CloudrenderError) -> bool:
    """Tell whether EC2 looked past the rights: it granted the call, or found fault with what was asked for."""
    code = code_of(error)
    return (
        code == "DryRunOperation"
        or code.startswith("Invalid")
        or isinstance(error, ConfigError | ImageError | CapacityError | QuotaError)
    )
