# SPDX-License-Identifier: GPL-3.0-or-later
"""What a launch may get: each machine type that was asked for, with its image, its disk and its price."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

from ..atonce import Answer, all_at_once
from ..aws.catalog import MachineType, machine_type
from ..aws.images import Image, resolve_image
from ..aws.network import Site
from ..aws.price_list import on_demand_prices
from ..aws.prices import ADDRESS_USD_PER_HOUR, disk_price, not_for_sale, zone_prices
from ..aws.session import Account
from ..errors import NotOfferedError
from .base import MachineRequest, Offer

ROOM_GB = 10
"""GiB beside image and project: Blender's archive and what it unpacks to (2 GB), frames to be fetched, caches."""

_GIB = 1024**3
_log = logging.getLogger(__name__)


def find_offers(account: Account, request: MachineRequest, *, image: str, site: Answer[Site]) -> tuple[Offer, ...]:
    """Resolve the types of a request, in its order. What needs no other answer is asked at once.

    A type that is not sold like that here is left out as long as another one is. Raises `NotOfferedError` when none is,
    `ConfigError` for one that does not exist, `ImageError`, `CloudError`.
    """
    names, on_demand = request.instance_types, request.on_demand
    prices = Answer(lambda: _prices(account, names, on_demand=on_demand))
    found = all_at_once(partial(_sold, account, name, on_demand=on_demand) for name in names)
    kinds = [kind for kind in found if isinstance(kind, MachineType)]
    gpus = tuple(dict.fromkeys(kind.gpu for kind in kinds))
    resolve = partial(resolve_image, account, image=image, blender=request.blender)
    images = dict(zip(gpus, all_at_once(partial(resolve, gpu=gpu) for gpu in gpus), strict=True))
    offers: list[Offer] = []
    refused = [error for error in found if isinstance(error, NotOfferedError)]
    by_zone = prices.get()
    place = site.get()
    for kind in kinds:
        usd = dict(_where(by_zone.get(kind.name, {}), place))
        if usd:
            offers.append(_offer(request, kind, images[kind.gpu], usd, public=place.public))
        else:
            refused.append(not_for_sale(account, kind.name, on_demand=on_demand))
    if not offers:
        raise refused[0]
    for error in refused:
        _log.info("left out: %s", error.message)
    return tuple(offers)


def _offer(request: MachineRequest, kind: MachineType, image: Image, usd: dict[str, float], *, public: bool) -> Offer:
    volume_gb = image.disk_gb + ROOM_GB + -(-request.disk_bytes // _GIB)
    return Offer(
        instance_type=kind.name,
        vcpus=kind.vcpus,
        gpu=kind.gpu,
        image_id=image.id,
        root_device=image.root_device,
        volume_gb=volume_gb,
        machine_usd=max(usd.values()),
        disk_usd=disk_price(volume_gb),
        address_usd=ADDRESS_USD_PER_HOUR if public else 0.0,
        lifetime_seconds=request.lifetime_seconds,
        zone_usd=usd,
        image_origin=image.origin,
    )


def _sold(account: Account, name: str, *, on_demand: bool) -> MachineType | NotOfferedError:
    try:
        return machine_type(account, name, on_demand=on_demand)
    except NotOfferedError as error:
        return error


def _prices(account: Account, names: tuple[str, ...], *, on_demand: bool) -> dict[str, dict[str, float]]:
    """Return USD per hour by type and zone; on-demand prices are the same everywhere in a region, "" here."""
    if on_demand:
        return {name: {"": price} for name, price in on_demand_prices(account, names).items()}
    return zone_prices(account, names)


def _where(usd: dict[str, float], site: Site) -> Iterator[tuple[str, float]]:
    """Yield the prices of the zones that a machine may stand in."""
    zones = {subnet.zone for subnet in site.subnets}
    return ((zone, price) for zone, price in usd.items() if zone in zones or not zone)
