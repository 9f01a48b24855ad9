# SPDX-License-Identifier: GPL-3.0-or-later
"""What several panels and the dialog say of the render to come: its machine, its estimate, its limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..backend.errors import UsageError
from . import machine_texts, properties, texts
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.job.estimate import Estimate, Pace


def machine_text(context: Context) -> str:
    """Write what will be rented: "g6.xlarge, spot, $0.214/h"."""
    names, how = properties.machine_types(context), properties.purchase(context)
    bought = how.replace("-", " ").replace("on demand", "on-demand")
    price = machine_texts.prices(map(SESSION.quotes.get, names), how)
    return ", ".join(filter(None, [machine_texts.any_of(names), bought, price]))


def estimate_text(context: Context, *, frames: int) -> str:
    """Write what a render of that many frames will probably take, or why that is not known."""
    from ..backend.aws.arm import is_arm, no_blender  # noqa: PLC0415 - of no use when enabling

    if useless := next(filter(is_arm, properties.machine_types(context)), None):
        return no_blender(useless).message
    if (expected := expectation(context, frames=frames)) is not None:
        return texts.estimated(expected)
    return "Asking for the price…" if "quotes" in SESSION.busy else SESSION.quotes_error or "Price not known yet"


def limits_text(context: Context) -> str:
    """Write when the job is ended."""
    return texts.limits(properties.max_cost(context), properties.max_hours(context))


def expectation(context: Context, *, frames: int) -> Estimate | None:
    """Return what a render of that many frames will probably take, None as long as the price is not known."""
    from ..backend.job.estimate import OVERHEAD_SECONDS, estimate  # noqa: PLC0415 - of no use before a price is known

    names = properties.machine_types(context)
    quote = SESSION.quotes.get(names[0])
    usd = quote.hourly_usd(properties.purchase(context)) if quote else None
    if usd is None:
        return None
    return estimate(frames=frames, hourly_usd=usd, pace=_pace(names), overhead_seconds=OVERHEAD_SECONDS)


def frame_count(context: Context) -> int:
    """Return of how many frames the animation is, 0 if that makes no sense as it is."""
    try:
        return len(properties.frame_numbers(context.scene, animation=True))
    except UsageError:
        return 0


def _pace(names: tuple[str, ...]) -> Pace | None:
    """Return the pace of the latest job of the open file with the same choice of machines, None without one."""
    blend = Path(bpy.data.filepath)
    return next(
        (
            job.pace
            for job in SESSION.summaries
            if texts.names(job.instance_type) == names and job.blend == blend and job.pace is not None
        ),
        None,
    )
