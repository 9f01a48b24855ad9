# SPDX-License-Identifier: GPL-3.0-or-later
"""Rent one machine of any of several types in any of several zones, by one call that answers at once.

CreateFleet of type `instant` tries the types and zones by AWS's own knowledge of what is free and cheap
(price-capacity-optimized), and says of each why it gave none:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instant-fleet.html. The fleet itself is nothing but the answer: it
launches no second machine and costs nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..atonce import all_at_once
from ..errors import CloudError, CloudrenderError, NotOfferedError, QuotaError
from .errors import certainly_refused, code_of
from .network import Subnet
from .pace import paced
from .templates import Build, make_template

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import CreateFleetErrorTypeDef, CreateFleetRequestTypeDef, CreateFleetResultTypeDef

    from .session import Account

APPEAR_SECONDS = 10.0
"""How long something that was just made may stay unknown to EC2's other calls."""

_PASSING = (
    # Key, group and templates were made a moment ago, and EC2 is eventually consistent.
    "InvalidKeyPair.NotFound",
    "InvalidGroup.NotFound",
    "InvalidLaunchTemplateName.NotFoundException",
    # These botocore asks again after, but not if they are told of a type and zone.
    "RequestLimitExceeded",
    "InternalError",
    "Unavailable",
)
"""Refusals that are over in a moment."""

_FEW_WORDS = {
    "InsufficientInstanceCapacity": "none free",
    "InsufficientCapacity": "none free",
    "UnfulfillableCapacity": "none free",
    "SpotMaxPriceTooLow": "too dear",
    "InsufficientFreeAddressesInSubnet": "no free address",
    "Unsupported": "not offered there",
    "InvalidFleetConfiguration": "not offered there",
}
"""What the commonest refusals mean, in few words; others are shown as AWS says them."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to rent: one machine of any of the `builds`, which are of one launch and differ by type.

    `vcpus` is what each type has. `avoid` are pairs of type and zone to ask only if there is nothing else.
    """

    builds: tuple[Build, ...]
    subnets: tuple[Subnet, ...]
    vcpus: dict[str, int]
    avoid: frozenset[tuple[str, str]] = frozenset()

    @property
    def token(self) -> str:
        return self.builds[0].token

    @property
    def on_demand(self) -> bool:
        return self.builds[0].on_demand


@dataclass(frozen=True, kw_only=True)
class Rented:
    """The machine that a launch gave."""

    id: str
    instance_type: str
    zone: str | None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a launch gave no machine of one type in one zone: AWS's code and sentence."""

    instance_type: str
    zone: str
    code: str
    text: str


def rent(account: Account, order: Order) -> Rented:
    """Rent one machine. The same token never gives a second one. Raises `CloudError` and its kinds.

    When it raises, `errors.certainly_refused` tells whether a machine may have been started nevertheless. Where types
    and zones were refused for different reasons, the error is about the one that time may heal; its details tell all.
    """
    all_at_once(partial(make_template, account, build) for build in order.builds)
    deadline = time.monotonic() + APPEAR_SECONDS
    for turn, last in enumerate(paced(deadline=deadline, first=0.2, longest=1.0)):
        try:
            return _ask(account, order, turn=turn)
        except CloudError as error:
            if last or code_of(error) not in _PASSING or not certainly_refused(error):
                raise
    raise AssertionError("the last turn returns or raises")


def fleet_request(order: Order, *, turn: int = 0) -> CreateFleetRequestTypeDef:
    """Return what CreateFleet is asked for. A repeated question with the same `turn` gets the same answer."""
    request: CreateFleetRequestTypeDef = {
        "Type": "instant",
        "ClientToken": f"{order.token}-{turn}" if turn else order.token,
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": 1,
            "DefaultTargetCapacityType": "on-demand" if order.on_demand else "spot",
        },
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {"LaunchTemplateName": build.template_name, "Version": "$Default"},
                "Overrides": [
                    {"InstanceType": build.instance_type, "SubnetId": subnet.id}  # type: ignore[typeddict-item]
                    for subnet in _subnets(order, build.instance_type)
                ],
            }
            for build in order.builds
            if _subnets(order, build.instance_type)
        ],
    }
    if order.on_demand:
        request["OnDemandOptions"] = {"AllocationStrategy": "lowest-price"}
    else:
        # No maximum price: never more than on-demand, and a lower one only raises the interruption rate.
        request["SpotOptions"] = {
            "AllocationStrategy": "price-capacity-optimized",
            "InstanceInterruptionBehavior": "terminate",
        }
    return request


def _subnets(order: Order, instance_type: str) -> tuple[Subnet, ...]:
    """Return where this type is asked for: nowhere that is to be avoided, unless that leaves nothing at all."""
    wanted = [
        (build.instance_type, subnet)
        for build in order.builds
        for subnet in order.subnets
        if (build.instance_type, subnet.zone) not in order.avoid
    ]
    if not wanted:
        return order.subnets
    return tuple(subnet for name, subnet in wanted if name == instance_type)


def _ask(account: Account, order: Order, *, turn: int) -> Rented:
    request = fleet_request(order, turn=turn)
    with _calling(account, order, "ec2:CreateFleet"):
        answer = account.ec2.create_fleet(**request)
    zones = {subnet.id: subnet.zone for subnet in order.subnets}
    for given in answer.get("Instances", []):
        for instance_id in given.get("InstanceIds", []):
            overrides = given.get("LaunchTemplateAndOverrides", {}).get("Overrides", {})
            return Rented(
                id=instance_id,
                instance_type=given.get("InstanceType") or overrides.get("InstanceType", order.builds[0].instance_type),
                zone=zones.get(overrides.get("SubnetId", "")),
            )
    raise _refused(account, order, answer, zones)


def _refused(
    account: Account, order: Order, answer: CreateFleetResultTypeDef, zones: dict[str, str]
) -> CloudrenderError:
    refusals = [_refusal(each, zones) for each in answer.get("Errors", [])]
    _log.info("no machine: %s", refusals)
    errors = [_translated(account, order, refusal) for refusal in refusals]
    if errors:
        decisive = min(errors, key=_rank)
        decisive.details = (*summarized(refusals), *decisive.details)
        return decisive
    return CloudError("AWS answered the launch with neither a machine nor a reason", hint="Try again in a minute")


def _rank(error: CloudrenderError) -> int:
    """Put first what time may heal, as the machine may be had after all, and last what says nothing of the account."""
    if error.retryable:
        return 0
    if isinstance(error, QuotaError):
        return 1
    return 3 if isinstance(error, NotOfferedError) else 2


def _refusal(error: CreateFleetErrorTypeDef, zones: dict[str, str]) -> Refusal:
    overrides = error.get("LaunchTemplateAndOverrides", {}).get("Overrides", {})
    return Refusal(
        instance_type=overrides.get("InstanceType", "?"),
        zone=zones.get(overrides.get("SubnetId", ""), "?"),
        code=error.get("ErrorCode", "Unknown"),
        text=error.get("ErrorMessage", ""),
    )


def summarized(refusals: Iterable[Refusal]) -> tuple[str, ...]:
    """Say why each type was refused where, a line for each type and reason."""
    zones: dict[tuple[str, str], list[str]] = {}
    for each in refusals:
        zones.setdefault((each.instance_type, each.code), []).append(each.zone)
    return tuple(
        f"{name} in {', '.join(sorted(set(where)))}: {_FEW_WORDS[code] + ' ' if code in _FEW_WORDS else ''}({code})"
        for (name, code), where in zones.items()
    )


def _translated(account: Account, order: Order, refusal: Refusal) -> CloudrenderError:
    """Return a refusal as the error that the same answer to a call of its own would be."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - slow, see Account

    # The answer as a whole was well received: nothing was started, for certain.
    metadata = {"HTTPStatusCode": 400, "RetryAttempts": 0, "RequestId": "", "HTTPHeaders": {}, "HostId": ""}
    answer: Any = {"Error": {"Code": refusal.code, "Message": refusal.text}, "ResponseMetadata": metadata}
    # A quota is one type's; that there is none free is said of all.
    of_all = refusal.code in _FEW_WORDS
    try:
        with _calling(account, order, "ec2:RunInstances", instance_type="" if of_all else refusal.instance_type):
            raise ClientError(answer, "RunInstances")
    except CloudrenderError as error:
        return error


def _calling(account: Account, order: Order, action: str, *, instance_type: str = "") -> AbstractContextManager[None]:
    """Translate what botocore raises inside the block, as being about one of the types, or about all."""
    names = [build.instance_type for build in order.builds]
    build = next((each for each in order.builds if each.instance_type == instance_type), order.builds[0])
    return account.calling(
        action,
        machine=instance_type or " or ".join(filter(None, (", ".join(names[:-1]), names[-1]))),
        on_demand=order.on_demand,
        vcpus=order.vcpus.get(instance_type) or max(order.vcpus.values()),
        image=build.image_id,
        subnet=order.subnets[0].id if len(order.subnets) == 1 else "",
    )
