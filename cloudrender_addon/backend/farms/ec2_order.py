# SPDX-License-Identifier: GPL-3.0-or-later
"""What EC2 is asked for to rent a machine: of each type that will do, its launch template and its boot script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...instance import user_data_script
from ..aws.disk_keys import Encryption
from ..aws.fleet import Order
from ..aws.network import Subnet
from ..aws.tags import launch_name
from ..aws.templates import Build
from ..aws.user_data import user_data
from ..errors import ConfigError
from ..ssh.keys import load_key
from .base import Machine, Offer


def boot_scripts(machine: Machine, *, host_key: Path) -> dict[str, str]:
    """Return the user data of each type asked for, with the private key in the file `host_key`; each is secret.

    Raises `ConfigError`, `RecordError`.
    """
    key = load_key(host_key)
    private, public = key.private_text(), key.public
    return {
        offer.instance_type: user_data(host_private=private, host_public=public, script=_script(machine, offer))
        for offer in machine.offers
    }


def make_order(
    machine: Machine,
    *,
    subnets: tuple[Subnet, ...],
    group_id: str,
    boot: Mapping[str, str],
    encryption: Encryption,
) -> Order:
    """Return what to rent; `boot` is the user data of each type, `encryption` that of the disk."""
    request = machine.request
    return Order(
        builds=tuple(
            _build(machine, offer, group_id=group_id, user_data=boot[offer.instance_type], encryption=encryption)
            for offer in machine.offers
        ),
        subnets=subnets,
        vcpus={offer.instance_type: offer.vcpus for offer in machine.offers},
        avoid=frozenset(request.avoid),
    )


def _script(machine: Machine, offer: Offer) -> str:
    try:
        return user_data_script(
            owner=machine.ssh_user,
            lease_seconds=machine.request.lease_seconds,
            lifetime_seconds=offer.lifetime_seconds,
        )
    except ValueError as error:
        raise ConfigError(
            f"A machine cannot be started with these settings: {error}",
            hint="Check ssh_user (ubuntu on Ubuntu images) and the time limits",
        ) from error


def _build(machine: Machine, offer: Offer, *, group_id: str, user_data: str, encryption: Encryption) -> Build:
    return Build(
        token=machine.request.token,
        job_id=machine.request.job_id,
        instance_type=offer.instance_type,
        on_demand=machine.request.on_demand,
        image_id=offer.image_id,
        root_device=offer.root_device,
        volume_gb=offer.volume_gb,
        key_name=launch_name(machine.request.token),
        group_id=group_id,
        user_data=user_data,
        encryption=encryption,
    )
