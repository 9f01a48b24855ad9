# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left in the account: everything that costs money, or clutters it, in any region that was used."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from tests.localcloud.catalogue import ACCOUNT


def leftovers(*, allowed: Collection[str] = ()) -> list[str]:
    """Return one line for each thing that still exists, like "us-east-1 instance i-0abc (running)".

    `allowed` are kinds that may; with "image" so may the snapshots that are in one.
    """
    from moto.backends import get_backend

    regions = get_backend("ec2")[ACCOUNT]
    things = ((name, thing) for name, backend in sorted(regions.items()) for thing in _things(backend, allowed))
    return [f"{name} {thing}" for name, thing in things]


def _things(backend: Any, allowed: Collection[str]) -> Iterator[str]:
    groups = chain.from_iterable(of_vpc.values() for of_vpc in backend.groups.values())
    for instance in backend.all_instances():
        if instance._state.name != "terminated":
            yield f"instance {instance.id} ({instance._state.name})"
    yield from (f"key pair {pair.key_name}" for pair in backend.key_pairs.values())
    yield from (f"security group {group.id} ({group.name})" for group in groups if group.name != "default")
    yield from (f"launch template {template.id}" for template in backend.launch_templates.values())
    yield from (f"volume {volume.id} ({volume.size} GB)" for volume in backend.volumes.values())
    own = [image for image in backend.amis.values() if image.owner_id == ACCOUNT]
    if "image" not in allowed:
        yield from (f"image {image.id} ({image.name}, {image.state})" for image in own)
    in_images = {image.ebs_snapshot.id for image in own} if "image" in allowed else set()
    for snapshot in backend.snapshots.values():
        if snapshot.owner_id == ACCOUNT and snapshot.id not in in_images:
            yield f"snapshot {snapshot.id} ({snapshot.volume.size} GB)"
    yield from (f"elastic address {address.public_ip}" for address in backend.addresses)
    for request in backend.spot_instance_requests.values():
        if request.state in ("open", "active"):
            yield f"spot request {request.id} ({request.state})"
    for fleet in backend.fleets.values():
        if not fleet.state.startswith("deleted"):
            yield f"fleet {fleet.id} ({fleet.state})"
