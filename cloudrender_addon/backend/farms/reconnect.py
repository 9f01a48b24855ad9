# SPDX-License-Identifier: GPL-3.0-or-later
"""Connect again to a machine that has answered before: how long that is tried, and when the machine is given up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ..cancel import CancelToken
from ..errors import LinkError, MachineGoneError, UnreachableError
from .base import Farm, Machine, MachineState
from .link import Link

UNREACHABLE_SECONDS = 180.0
"""How long a machine that the cloud calls running may not answer before it is given up."""

MAX_SHORT_LINKS = 10
"""How many links in a row may break within `SHORT_LINK_SECONDS` before the machine is given up."""

SHORT_LINK_SECONDS = 60.0

_LEAST_SECONDS = 10.0  # for a try to connect, however late it is


def connect_again(
    farm: Farm, machine: Machine, *, cancel: CancelToken, offline: Callable[[], None], gone_by: float = math.inf
) -> tuple[Machine, Link]:
    """Connect to a machine for as long as it may live, but give it up when only it does not answer.

    This computer may be off the network: the machine works on meanwhile. So the time counts only if the cloud said
    before and after that the machine is running; else `offline` is called, which may raise, and it is tried again.
    After `gone_by` (`time.monotonic()` seconds) it is not waited for any longer. Raises `MachineGoneError`, from the
    last `LinkError` if it only does not answer, and what `Farm.connect` and `Farm.status` raise.
    """
    while True:
        was_seen = _is_seen(farm, machine)
        now = time.monotonic()
        deadline = max(min(now + UNREACHABLE_SECONDS, gone_by), now + _LEAST_SECONDS)
        try:
            return farm.connect(machine, cancel=cancel, deadline=deadline)
        except LinkError as error:
            if was_seen and _is_seen(farm, machine):
                raise MachineGoneError("The machine does not answer any more") from error
        offline()


def _is_seen(farm: Farm, machine: Machine) -> bool:
    """Ask the cloud for the machine; False when the cloud cannot be reached. Raises `MachineGoneError`."""
    try:
        status = farm.status(machine)
    except UnreachableError:
        return False
    if status.state is MachineState.GONE:
        raise MachineGoneError(
            f"The machine has ended: {status.reason or 'no reason was given'}",
            details=(status.code,) if status.code else (),
            reclaimed=status.reclaimed,
        )
    return True
