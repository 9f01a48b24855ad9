# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened in a stand-in account, in lines for a person."""

from __future__ import annotations

import time
from collections.abc import Iterable

from tests.localcloud.machine import Machine


def lines(machines: Iterable[Machine], leftovers: Iterable[str]) -> list[str]:
    """Return a line for each machine, then one for each leftover."""
    told = [_history(machine) for machine in machines] or ["no machine was launched"]
    left = [f"LEFT: {thing}" for thing in leftovers] or ["left in the account: nothing"]
    return [*told, *left]


def _history(machine: Machine) -> str:
    order = machine.order
    words = [order.instance_id, order.instance_type, "spot" if order.spot else "on-demand"]
    end = machine.ended_at or time.time()
    words.append(f"{end - machine.launched_at:.1f} s")
    words.append(f"{machine.frames} frames")
    words.append(f"ended by {machine.reason}" if machine.ended_at else "still there")
    return "  ".join(words)
