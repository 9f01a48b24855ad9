# SPDX-License-Identifier: GPL-3.0-or-later
"""CreateFleet of type `instant` as EC2 does it: the cheapest type and zone there is, and why not the others.

moto launches the first override whatever it is, and knows no refusal. Here each override becomes a RunInstances made of
its launch template; what would refuse that call refuses the override:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFleet.html.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from tests.localcloud import catalogue
from tests.localcloud.catalogue import ACCOUNT
from tests.localcloud.faults import Call, render

Answer = tuple[int, str, bytes]

_CONFIG = r"LaunchTemplateConfigs\.(\d+)\."
_OVERRIDE = re.compile(_CONFIG + r"Overrides\.(\d+)\.InstanceType")


def delete_template(original: Any) -> Any:
    """Answer for a template that does not exist as EC2 does: moto says that a parameter is missing."""

    def delete_launch_template(backend: Any, name: str, tid: str | None) -> Any:
        from moto.ec2.exceptions import InvalidLaunchTemplateNameNotFoundWithNameError

        if name and name not in backend.launch_template_name_to_ids:
            raise InvalidLaunchTemplateNameNotFoundWithNameError(name)
        return original(backend, name, tid)

    return delete_launch_template


@dataclass(frozen=True, kw_only=True)
class _Try:
    """One override: the launch it stands for, where, at what price."""

    launch: Call
    instance_type: str
    subnet: str
    price: float


class Fleets:
    """Answers CreateFleet. `refuse` says of launches which of them are refused, `run` makes one of them."""

    def __init__(
        self, *, refuse: Callable[[Sequence[Call]], Sequence[Answer | None]], run: Callable[[Call, Any], Answer]
    ) -> None:
        self._refuse = refuse
        self._run = run
        self._answers: dict[tuple[str, str], tuple[dict[str, Any], Answer]] = {}
        self._lock = threading.Lock()

    def answer(self, call: Call, environ: Any, *, region: str) -> Answer:
        """Rent what a CreateFleet asks for; the same ClientToken gets the same answer again."""
        token = str(call.parameters.get("ClientToken", uuid.uuid4()))
        with self._lock:
            known = self._answers.get((region, token))
            if known and known[0] != call.parameters:
                return render(call, "IdempotentParameterMismatch")
            answer = known[1] if known else self._create(call, environ, region=region)
            if answer[0] == 200:
                self._answers[region, token] = (call.parameters, answer)
            return answer

    def _create(self, call: Call, environ: Any, *, region: str) -> Answer:
        if call.parameters.get("Type") != "instant":
            return render(call, "InvalidParameterValue", "The stand-in knows fleets of type instant only.")
        spot = call.parameters.get("TargetCapacitySpecification.DefaultTargetCapacityType") == "spot"
        try:
            tries = sorted(_tries(call, spot=spot, region=region), key=lambda each: each.price)
        except KeyError as unknown:
            code = "InvalidLaunchTemplateName.NotFoundException"
            return render(call, code, f"The specified launch template, with template name {unknown}, does not exist.")
        lifecycle = "spot" if spot else "on-demand"
        errors: list[str] = []
        for attempt, refusal in zip(tries, self._refuse([each.launch for each in tries]), strict=True):
            status, _, body = refusal or self._run(attempt.launch, environ)
            if status == 200:
                found = re.search(rb"<instanceId>(i-[0-9a-f]+)</instanceId>", body)
                assert found is not None
                return _told(errors=[], given=_given(attempt, found[1].decode(), lifecycle))
            errors.append(_error(attempt, body.decode(), lifecycle))
        return _told(errors=errors, given="")


def _tries(call: Call, *, spot: bool, region: str) -> list[_Try]:
    tries = []
    zones = {subnet.id: subnet.availability_zone for subnet in _subnets(region)}
    for key, instance_type in call.parameters.items():
        if not (found := _OVERRIDE.fullmatch(key)):
            continue
        config = f"LaunchTemplateConfigs.{found[1]}"
        name = call.parameters[f"{config}.LaunchTemplateSpecification.LaunchTemplateName"]
        subnet = call.parameters.get(f"{config}.Overrides.{found[2]}.SubnetId", "")
        price = catalogue.on_demand_price(instance_type)
        if spot:
            price = catalogue.spot_price(instance_type, zones.get(subnet, ""))
        launch = replace(call, action="RunInstances", parameters=_launch(_template(name, region), call, found, spot))
        tries.append(_Try(launch=launch, instance_type=instance_type, subnet=subnet, price=price))
    return tries


def _launch(template: dict[str, Any], call: Call, override: re.Match[str], spot: bool) -> dict[str, Any]:
    """Return the RunInstances that an override stands for, as form fields."""
    prefix = f"LaunchTemplateConfigs.{override[1]}.Overrides.{override[2]}."
    changes = {name.removeprefix(prefix): value for name, value in call.parameters.items() if name.startswith(prefix)}
    asked = {**template, **changes, "MinCount": 1, "MaxCount": 1}
    if spot:
        asked["InstanceMarketOptions"] = {"MarketType": "spot"}
    fields: dict[str, Any] = _serializer().serialize_to_request(asked, _model().operation_model("RunInstances"))["body"]
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in fields.items()}


@cache
def _model() -> Any:
    import botocore.session

    return botocore.session.Session().get_service_model("ec2")


def _serializer() -> Any:
    from botocore.serialize import create_serializer

    return create_serializer("ec2", include_validation=False)


def _template(name: str, region: str) -> dict[str, Any]:
    from moto.backends import get_backend

    backend = get_backend("ec2")[ACCOUNT][region]
    template = backend.launch_templates[backend.launch_template_name_to_ids[name]]
    data: dict[str, Any] = {**template.default_version().data}
    # moto adds the template's own tags to those of what is launched from it.
    data["TagSpecifications"] = [
        each for each in data.get("TagSpecifications", []) if each["ResourceType"] != "launch-template"
    ]
    return data


def _subnets(region: str) -> list[Any]:
    from moto.backends import get_backend

    return [subnet for of_zone in get_backend("ec2")[ACCOUNT][region].subnets.values() for subnet in of_zone.values()]


def _error(attempt: _Try, body: str, lifecycle: str) -> str:
    code, message = (re.search(f"<{tag}>(.*?)</{tag}>", body, re.DOTALL) for tag in ("Code", "Message"))
    return (
        f"<item>{_overrides(attempt)}<lifecycle>{lifecycle}</lifecycle><errorCode>{code[1] if code else ''}</errorCode>"
        f"<errorMessage>{message[1] if message else ''}</errorMessage></item>"
    )


def _given(attempt: _Try, instance_id: str, lifecycle: str) -> str:
    return (
        f"<item>{_overrides(attempt)}<lifecycle>{lifecycle}</lifecycle><instanceIds><item>{instance_id}</item>"
        f"</instanceIds><instanceType>{attempt.instance_type}</instanceType></item>"
    )


def _overrides(attempt: _Try) -> str:
    return (
        f"<launchTemplateAndOverrides><overrides><instanceType>{attempt.instance_type}</instanceType>"
        f"<subnetId>{escape(attempt.subnet)}</subnetId></overrides></launchTemplateAndOverrides>"
    )


def _told(*, errors: list[str], given: str) -> Answer:
    body = (
        '<CreateFleetResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>{uuid.uuid4()}</requestId><fleetId>fleet-{uuid.uuid4()}</fleetId>"
        f"<errorSet>{''.join(errors)}</errorSet><fleetInstanceSet>{given}</fleetInstanceSet></CreateFleetResponse>"
    )
    return 200, "text/xml;charset=UTF-8", body.encode()
