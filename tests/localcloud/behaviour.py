# SPDX-License-Identifier: GPL-3.0-or-later
"""What EC2 does and moto does not, patched into moto in this process; docs/STANDIN.md names AWS's pages.

`installed` is a context manager: leaving it gives moto back as it was.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from tests.localcloud import catalogue, disk_keys, fleets, launching, own_images, rights
from tests.localcloud.lifecycle import USER, Lifecycle


@contextlib.contextmanager
def installed(lifecycle: Lifecycle, *, images: own_images.OwnImages, visible_after: float) -> Iterator[None]:
    """Make moto behave, with nothing in any account. `visible_after`: seconds a new instance stays unseen."""
    from moto import settings
    from moto.core.base_backend import BackendDict
    from moto.core.model_instances import reset_model_data
    from moto.ec2 import utils
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.amis import AmiBackend
    from moto.ec2.models.instances import Instance
    from moto.ec2.responses.amis import AmisResponse
    from moto.ec2.responses.instances import InstanceResponse
    from moto.ec2.responses.spot_instances import SpotInstances
    from moto.kms.models import KmsBackend
    from moto.ssm.models import SimpleSystemManagerBackend
    from moto.sts.models import STSBackend

    with contextlib.ExitStack() as patches:

        def put(owner: Any, name: str, value: Any) -> None:
            patches.enter_context(mock.patch.object(owner, name, value))

        put(settings, "ENABLE_AMI_VALIDATION", True)
        put(settings, "ENABLE_KEYPAIR_VALIDATION", True)
        put(settings, "EC2_ENABLE_INSTANCE_TYPE_VALIDATION", True)
        patches.enter_context(mock.patch.dict(utils.filter_dict_attribute_mapping, _MORE_FILTERS))
        states = InstanceResponse.RESPONSE_KEY_PATH_TO_TRANSFORMER
        patches.enter_context(mock.patch.dict(states))
        states.pop("RunInstances.Reservation.Instances.Instance.State", None)  # would always say "pending"

        patches.enter_context(catalogue.selling(catalogue.older_types()))
        put(AmiBackend, "_load_amis", catalogue.seed_images)
        put(SimpleSystemManagerBackend, "__init__", _seeding(SimpleSystemManagerBackend.__init__))
        put(EC2Backend, "run_instances", launching.wired(EC2Backend.run_instances, lifecycle, images.keys))
        put(EC2Backend, "delete_launch_template", fleets.delete_template(EC2Backend.delete_launch_template))
        for name in ("authorize_security_group_ingress", "revoke_security_group_ingress"):
            put(EC2Backend, name, _then(getattr(EC2Backend, name), lifecycle.judge_callers))
        put(EC2Backend, "delete_security_group", _delete_group(EC2Backend.delete_security_group))
        for name in ("get_reservations_by_instance_ids", "describe_instances", "get_multi_instances_by_id"):
            put(EC2Backend, name, _eventually(getattr(EC2Backend, name), visible_after))
        put(Instance, "terminate", _terminate(lifecycle))
        put(Instance, "stop", _stop(lifecycle))
        put(EC2Backend, "stop_instances", own_images.stop_instances(EC2Backend.stop_instances))
        put(AmisResponse, "create_image", _function(images.create))
        put(AmisResponse, "copy_image", _function(images.copy))
        put(AmisResponse, "modify_image_attribute", images.modify(AmisResponse.modify_image_attribute))
        put(AmisResponse, "deregister_image", images.deregister(AmisResponse.deregister_image))
        put(InstanceResponse, "run_instances", launching.checked(launching.idempotent(InstanceResponse.run_instances)))
        put(KmsBackend, "create_alias", disk_keys.create_alias(KmsBackend.create_alias))
        put(STSBackend, "get_caller_identity", rights.get_caller_identity)
        put(SpotInstances, "describe_spot_price_history", _price_history)
        _reset(BackendDict, reset_model_data)
        try:
            yield
        finally:
            _reset(BackendDict, reset_model_data)


_MORE_FILTERS = {
    "instance-lifecycle": "lifecycle",
    "client-token": "client_token",
    "spot-instance-request-id": "spot_instance_request_id",
}


def _reset(backends: Any, models: Any) -> None:
    backends.reset()
    models()


def _seeding(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes that method's place
        original(self, *args, **kwargs)
        catalogue.seed_parameters(self)

    return __init__


def _function(method: Callable[[Any], Any]) -> Any:
    """Return a bound method as moto wants the answer to a call: a plain function in its class."""

    def answer(response: Any) -> Any:
        return method(response)

    return answer


def _then(original: Any, act: Callable[[], None]) -> Any:
    def change(*args: Any, **kwargs: Any) -> Any:
        answer = original(*args, **kwargs)
        act()
        return answer

    return change


def _delete_group(original: Any) -> Any:
    def delete_security_group(backend: Any, name: str | None = None, group_id: str | None = None) -> Any:
        from moto.ec2.exceptions import DependencyViolationError

        for instance in backend.all_instances():
            groups = [*instance.security_groups, *(g for nic in instance.nics.values() for g in nic.group_set)]
            used = any(group_id == group.id or (name and name == group.name) for group in groups)
            if used and instance._state.name != "terminated":
                raise DependencyViolationError(f"resource {group_id or name} has a dependent object")
        return original(backend, name=name, group_id=group_id)

    return delete_security_group


def _eventually(original: Any, seconds: float) -> Any:
    """Hide an instance for its first `seconds`, as EC2's eventual consistency may."""

    def look_up(backend: Any, *args: Any, **kwargs: Any) -> Any:
        if not seconds:
            return original(backend, *args, **kwargs)
        now = time.time()
        shown = copy.copy(backend)
        shown.reservations = {
            reservation.id: reservation
            for reservation in backend.reservations.values()
            if all(
                now - i.launch_time.replace(tzinfo=datetime.UTC).timestamp() >= seconds for i in reservation.instances
            )
        }
        return original(shown, *args, **kwargs)

    return look_up


def _terminate(lifecycle: Lifecycle) -> Any:
    def terminate(instance: Any) -> Any:
        before = copy.copy(instance._state)
        lifecycle.terminate(instance, reason=USER)
        return before

    return terminate


def _stop(lifecycle: Lifecycle) -> Any:
    def stop(instance: Any) -> Any:
        before = copy.copy(instance._state)
        lifecycle.stop(instance, reason=USER)
        return before

    return stop


def _price_history(response: Any) -> Any:
    from moto.core.responses import ActionResult

    offers = response.ec2_backend.describe_spot_price_history(
        response._get_param("InstanceTypes", []), _zone_filter(response)
    )
    products = [*response._get_param("ProductDescriptions", [])]
    products += response._filters_from_querystring().get("product-description", [])
    return ActionResult({"SpotPriceHistory": list(catalogue.spot_prices(offers, products=products))})


def _zone_filter(response: Any) -> dict[str, list[str]]:
    wanted = ("availability-zone", "instance-type")
    filters = {name: v for name, v in response._filters_from_querystring().items() if name in wanted}
    if zone := response._get_param("AvailabilityZone"):
        filters["availability-zone"] = [zone]
    return filters
