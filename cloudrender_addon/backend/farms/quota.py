# SPDX-License-Identifier: GPL-3.0-or-later
"""The quotas that machines of the user's settings count against: how they stand, and asking AWS for more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ..atonce import Answer
from ..aws.catalog import machine_type
from ..aws.limits import QuotaRequest, open_request, quota_value, request_increase, vcpus_in_use
from ..aws.quotas import Quota, on_demand_quota, spot_quota
from ..aws.session import Account
from ..errors import CapacityError, CloudError
from ..setting_values import Purchase
from ..settings import Settings

T = TypeVar("T")

_ON_DEMAND: dict[Purchase, tuple[bool, ...]] = {
    "spot": (False,),
    "spot-then-on-demand": (False, True),
    "on-demand": (True,),
}
_USEFUL = 8
"""vCPUs: the smallest number worth a request. The people at AWS who look at it think in whole machines."""


@dataclass(frozen=True, kw_only=True)
class QuotaState:
    """A quota of the account, in vCPUs: what is `needed` for one machine of the largest `types`, what there is.

    None for `value` and `in_use` where AWS does not tell; `asked` is an increase that is under way.
    """

    quota: Quota
    url: str
    types: tuple[str, ...]
    needed: int
    value: int | None
    in_use: int | None
    asked: QuotaRequest | None

    @property
    def too_small(self) -> bool:
        """Whether AWS would refuse such a machine, even if nothing else ran."""
        return self.value is not None and self.value < self.needed


def worth_asking(vcpus: int) -> int:
    """Return how many vCPUs to ask for when so many are needed.

    Twice as many: one machine that AWS takes back may still count when the next one starts.
    """
    return max(2 * vcpus, _USEFUL)


def purchases(settings: Settings) -> tuple[bool, ...]:
    """Return how the settings say to buy a machine: on-demand or not, in order of choice."""
    return _ON_DEMAND[settings.purchase]


def quotas_of(account: Account, settings: Settings) -> Iterator[QuotaState]:
    """Yield the quotas that count for these settings, each once, in order of choice. Raises `CloudError`.

    What the user has no right to see is None, unless it is the value itself.
    """
    for on_demand in purchases(settings):
        needed: dict[Quota, dict[str, int]] = {}
        for name in settings.instance_types:
            with contextlib.suppress(CapacityError):  # not sold that way: no such machine will be asked for
                kind = machine_type(account, name, on_demand=on_demand)
                needed.setdefault((on_demand_quota if on_demand else spot_quota)(name), {})[name] = kind.vcpus
        for quota, vcpus in needed.items():
            yield _look(account, quota, vcpus, on_demand=on_demand)


def ask_for(account: Account, state: QuotaState, *, vcpus: int | None = None) -> QuotaRequest:
    """Ask AWS to raise a quota to so many vCPUs (None: what is worth asking for). See `request_increase`."""
    return request_increase(account, state.quota, vcpus=vcpus or worth_asking(state.needed))


def ask_for_what_is_missing(account: Account, settings: Settings) -> tuple[QuotaRequest, ...]:
    """Ask AWS to raise each quota that is too small for these settings; none if all are enough. Raises `CloudError`."""
    return tuple(ask_for(account, state) for state in quotas_of(account, settings) if state.too_small)


def _look(account: Account, quota: Quota, vcpus: dict[str, int], *, on_demand: bool) -> QuotaState:
    _ = account.service_quotas  # before the threads, which would only queue for it
    used = Answer(lambda: _if_told(lambda: _in_use(account, quota, on_demand=on_demand)))
    asked = _if_told(lambda: open_request(account, quota))
    return QuotaState(
        quota=quota,
        url=quota.request_url(account.region),
        types=tuple(vcpus),
        needed=max(vcpus.values()),
        value=quota_value(account, quota),
        in_use=used.get(),
        asked=asked,
    )


def _in_use(account: Account, quota: Quota, *, on_demand: bool) -> int | None:
    if not quota.code:  # nor is it known, then, which types count
        return None
    return vcpus_in_use(account, quota_code=quota.code, on_demand=on_demand)


def _if_told(question: Callable[[], T]) -> T | None:
    try:
        return question()
    except CloudError:
        return None
