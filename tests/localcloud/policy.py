# SPDX-License-Identifier: GPL-3.0-or-later
"""An IAM policy, judged as AWS judges it: which rights a call needs on which resources, and who grants them.

Knows the calls of Cloudrender and what the conditions of its policy speak of. Actions, resources and condition keys:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html. Only Allow is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.localcloud.catalogue import ACCOUNT
from tests.localcloud.faults import Call

_FREE = "sts:GetCallerIdentity"  # no policy can forbid it

# The kind of resource that a call names by its id, and the parameter it stands in.
_BY_ID = {
    "AuthorizeSecurityGroupIngress": ("security-group", "GroupId"),
    "CancelSpotInstanceRequests": ("spot-instances-request", "SpotInstanceRequestId"),
    "DeleteKeyPair": ("key-pair", "KeyName"),
    "DeleteLaunchTemplate": ("launch-template", "LaunchTemplate(?:Id|Name)"),
    "DeleteSecurityGroup": ("security-group", "GroupId"),
    "DeleteSnapshot": ("snapshot", "SnapshotId"),
    "DeleteVolume": ("volume", "VolumeId"),
    "DeleteTags": ("image", "ResourceId"),
    "DeregisterImage": ("image", "ImageId"),
    "ModifyImageAttribute": ("image", "ImageId"),
    "StopInstances": ("instance", "InstanceId"),
    "TerminateInstances": ("instance", "InstanceId"),
}


@dataclass(frozen=True, kw_only=True)
class Need:
    """One right that a call needs: action, resource (ARN), and what conditions may ask about."""

    action: str
    resource: str
    context: dict[str, str] = field(default_factory=dict)


def lacking(policy: dict[str, Any], call: Call) -> Need | None:
    """Return the first right a call needs that the policy does not grant, None if it grants all."""
    return next((need for need in _needs(call) if not granted(policy, need)), None)


def granted(policy: dict[str, Any], need: Need) -> bool:
    """Tell whether the policy grants a right."""
    return any(_grants(each, need) for each in policy["Statement"])


def _grants(statement: dict[str, Any], need: Need) -> bool:
    assert statement["Effect"] == "Allow"
    return (
        any(fnmatchcase(need.action, pattern) for pattern in _listed(statement["Action"]))
        and any(fnmatchcase(need.resource, pattern) for pattern in _listed(statement["Resource"]))
        and all(
            _holds(operator, _listed(wanted), need.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, wanted: list[str], value: str | None) -> bool:
    if value is None:
        return False
    return value in wanted if operator.endswith("StringEquals") else any(fnmatchcase(value, like) for like in wanted)


def _needs(call: Call) -> Iterator[Need]:
    action, parameters = f"{call.service}:{call.action}", call.parameters
    if action == _FREE:
        return
    if action == "ssm:GetParameter":
        yield Need(action=action, resource=f"arn:aws:ssm:us-east-1::parameter{parameters['Name']}")
    elif action == "servicequotas:RequestServiceQuotaIncrease":
        yield Need(action=action, resource=f"arn:aws:servicequotas:us-east-1:{ACCOUNT}:ec2/{parameters['QuotaCode']}")
    elif call.service == "kms":
        yield Need(action=action, resource=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/of-{parameters.get('KeyId')}")
    elif call.service != "ec2" or call.action.startswith(("Describe", "Get")):
        yield Need(action=action, resource="*")
    else:
        for kind, name, context in _touched(call):
            yield Need(action=action, resource=_arn(kind, name), context=context)
        for kind in _request_tags(parameters):
            created = {"ec2:CreateAction": call.action}
            yield Need(action="ec2:CreateTags", resource=_arn(kind, "*"), context=created)


def _arn(kind: str, name: str) -> str:
    owner = "" if kind in ("image", "snapshot") else ACCOUNT
    return f"arn:aws:ec2:us-east-1:{owner}:{kind}/{name}"


def _touched(call: Call) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield kind, id and context of everything an EC2 call makes, uses or changes."""
    parameters, tags = call.parameters, _request_tags(call.parameters)
    if call.action == "RunInstances":
        yield "instance", "*", tags.get("instance", {})
        yield "volume", "*", tags.get("volume", {})
        if call.is_spot_launch:
            yield "spot-instances-request", "*", tags.get("spot-instances-request", {})
        yield "network-interface", "*", {}
        yield "image", parameters["ImageId"], {}
        yield "subnet", parameters.get("SubnetId", "subnet-default"), {}
        for group in _values(parameters, "SecurityGroupId") or ["sg-default"]:
            yield "security-group", group, _resource_tags(group)
        if key := parameters.get("KeyName"):
            yield "key-pair", key, _resource_tags(key)
    elif call.action == "CreateFleet":
        yield from _touched_by_fleet(parameters)
    elif call.action == "CreateLaunchTemplate":
        yield "launch-template", "*", tags.get("launch-template", {})
    elif call.action == "ImportKeyPair":
        yield "key-pair", parameters["KeyName"], tags.get("key-pair", {})
    elif call.action == "CreateImage":
        yield "instance", parameters["InstanceId"], _resource_tags(parameters["InstanceId"])
        yield from ((kind, "*", tags.get(kind, {})) for kind in ("image", "snapshot"))
    elif call.action == "CopyImage":
        # Since October 2024 that of the source is needed, too; by its tags it cannot be told.
        yield "image", parameters["SourceImageId"], {}
        yield from ((kind, "*", tags.get(kind, {})) for kind in ("image", "snapshot"))
    elif call.action == "CreateSecurityGroup":
        yield "security-group", "*", tags.get("security-group", {})
        yield "vpc", parameters.get("VpcId", "vpc-default"), {}
    else:
        kind, parameter = _BY_ID.get(call.action, ("unknown", ""))
        for name in _values(parameters, parameter) or ["*"]:
            yield kind, name, {**_resource_tags(name), **_tag_keys(parameters)}


def _tag_keys(parameters: dict[str, Any]) -> dict[str, str]:
    """Return what a condition may ask about the only tag that DeleteTags names; of several, all have to be allowed."""
    keys = {value for name, value in parameters.items() if re.fullmatch(r"Tag\.\d+\.Key", name)}
    return {"aws:TagKeys": keys.pop()} if len(keys) == 1 else {}


def _touched_by_fleet(parameters: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield likewise what a machine is made of and where it stands: CreateFleet needs the right for all of it.

    So AWS grants it to itself, in AmazonECSInfrastructureRolePolicyForManagedInstances. Image and group are named in
    the template, which is not looked into here.
    """
    for kind in ("fleet", "instance", "volume", "network-interface", "security-group"):
        yield kind, "*", {}
    yield "image", "ami-of-the-template", {}
    for subnet in _values(parameters, r"LaunchTemplateConfigs\.\d+\.Overrides\.\d+\.SubnetId"):
        yield "subnet", subnet, {}
    for template in _values(parameters, r"LaunchTemplateConfigs\.\d+\.LaunchTemplateSpecification\.LaunchTemplate.*"):
        yield "launch-template", template, _resource_tags(template)


def _values(parameters: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in parameters.items() if re.fullmatch(rf"{name}(\.\d+)?", key)]


def _request_tags(parameters: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the tags asked for, by the kind of resource that is to carry them."""
    tags: dict[str, dict[str, str]] = {}
    for key, kind in parameters.items():
        if found := re.fullmatch(r"(TagSpecification\.\d+)\.ResourceType", key):
            names = (each for each in parameters if re.fullmatch(rf"{re.escape(found[1])}\.Tag\.\d+\.Key", each))
            tags[kind] = {f"aws:RequestTag/{parameters[n]}": parameters[f"{n[:-4]}.Value"] for n in names}
    return tags


def _resource_tags(name: str) -> dict[str, str]:
    """Return the tags something carries, by its id or a key pair's name; none for what does not exist."""
    from moto.backends import get_backend

    for backend in get_backend("ec2")[ACCOUNT].values():
        key_pair = backend.key_pairs.get(name)
        own = key_pair.id if key_pair else backend.launch_template_name_to_ids.get(name, name)
        if tags := backend.tags.get(own):
            return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    return {}


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
