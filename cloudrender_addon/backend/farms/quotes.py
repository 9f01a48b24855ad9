# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines of several types cost today, for a face that lets the user choose one."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

from ..atonce import Answer
from ..aws.images import DRIVER_GB, TYPICAL_GPU_SIZE_GB, TYPICAL_SIZE_GB
from ..aws.price_list import on_demand_prices
from ..aws.prices import ADDRESS_USD_PER_HOUR, disk_price, spot_prices
from ..aws.session import Account
from ..errors import CloudError
from ..setting_values import Purchase
from ..settings import Settings
from .ec2_offers import ROOM_GB

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What a machine costs, USD per hour; None where it is not sold like that, or the price could not be asked for.

    `extras_usd` is for its disk and public address, as they usually are: a job's plan knows them to the cent.
    """

    spot_usd: float | None
    on_demand_usd: float | None
    extras_usd: float

    def hourly_usd(self, purchase: Purchase) -> float | None:
        """Return all that is billed per hour when bought like that, None if unknown."""
        first = self.on_demand_usd if purchase == "on-demand" else self.spot_usd
        if first is None and purchase == "spot-then-on-demand":
            first = self.on_demand_usd
        return None if first is None else first + self.extras_usd


def quote(account: Account, settings: Settings, names: Collection[str]) -> dict[str, Quote]:
    """Return a quote for each type, in the given order, by two calls at once for all of them.

    Without the price list (no right to it, not reachable) on-demand prices are None. Raises `CloudError`.
    """
    _ = account.ec2  # before the threads, which would only queue for it
    listed = Answer(lambda: _on_demand_if_told(account, names))
    spot = spot_prices(account, names)
    on_demand = listed.get()
    return {
        name: Quote(spot_usd=spot.get(name), on_demand_usd=on_demand.get(name), extras_usd=_extras(settings, name))
        for name in names
    }


def _on_demand_if_told(account: Account, names: Collection[str]) -> dict[str, float]:
    try:
        return on_demand_prices(account, names)
    except CloudError:
        # What is wrong with the account as a whole, EC2 says as well.
        _log.info("no on-demand prices", exc_info=True)
        return {}


def _extras(settings: Settings, name: str) -> float:
    # The size of an image of the user's own is not known here: the larger one is assumed.
    if settings.image not in ("auto", "public"):
        size = TYPICAL_GPU_SIZE_GB
    elif name.startswith(("p3.", "p3dn.")):
        size = TYPICAL_SIZE_GB + DRIVER_GB
    else:
        size = TYPICAL_GPU_SIZE_GB if name.startswith(("g", "p")) else TYPICAL_SIZE_GB
    return ADDRESS_USD_PER_HOUR + disk_price(ROOM_GB + size)
