# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine types in words: what one is made of, what it costs, which ones will do. No bpy here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..backend.aws.choices import MachineChoice
    from ..backend.farms.quotes import Quote
    from ..backend.setting_values import Purchase


def gpu(choice: MachineChoice) -> str:
    """Write the GPU of a machine type: "4 × NVIDIA L4, 24 GB each", "None"."""
    if not choice.gpu:
        return "None"
    if choice.gpus > 1:
        return f"{choice.gpus} × {choice.gpu}, {choice.gpu_memory_gb} GB each"
    return f"{choice.gpu}, {choice.gpu_memory_gb} GB"


def processor(choice: MachineChoice) -> str:
    """Write processor and memory of a machine type: "16 vCPUs, 64 GB"."""
    return f"{choice.vcpus} vCPUs, {choice.memory_gb:,} GB"


def price(quote: Quote | None, purchase: Purchase) -> str:
    """Write what a machine costs per hour when bought like that, "" if nobody knows."""
    usd = quote.hourly_usd(purchase) if quote else None
    return "" if usd is None else texts.hourly(usd)


def any_of(machine_types: Sequence[str]) -> str:
    """Write which machine type is rented, or which ones will do: "g6.xlarge or g5.xlarge", "g6.xlarge or 2 others"."""
    first, *others = machine_types
    if len(others) > 1:
        return f"{first} or {len(others)} others"
    return " or ".join(machine_types)


def prices(quotes: Iterable[Quote | None], purchase: Purchase) -> str:
    """Write what a machine costs that is one of these, as far as somebody knows: "$0.214/h", "$0.214 to $0.356/h"."""
    known = sorted(usd for quote in quotes if quote and (usd := quote.hourly_usd(purchase)) is not None)
    if not known or f"{known[0]:.3f}" == f"{known[-1]:.3f}":
        return texts.hourly(known[0]) if known else ""
    return f"${known[0]:.3f} to {texts.hourly(known[-1])}"


def in_list(choice: MachineChoice, quote: Quote | None, purchase: Purchase) -> str:
    """Describe a machine type in a list: "NVIDIA L4, 24 GB; 16 GB memory; $0.214/h"."""
    parts = [gpu(choice) if choice.gpu else f"{choice.vcpus} vCPUs", f"{choice.memory_gb:,} GB memory"]
    return "; ".join(filter(None, [*parts, price(quote, purchase)]))
