# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that panels have in common: amounts, durations, estimates, limits, lists, names that are typed. No bpy here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..backend.job.words import worth_a_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..backend.job.estimate import Estimate

LISTED = 10
"""How many things concerned are named, each in a line."""


def money(usd: float) -> str:
    """Write an amount in USD: "$1.23", "$0.004" below a cent."""
    return f"${usd:.3f}" if 0 < usd < 0.0095 else f"${usd:,.2f}"


def hourly(usd: float) -> str:
    """Write a price per hour: "$0.214/h"."""
    return f"${usd:.3f}/h"


def about(seconds: float) -> str:
    """Write a rough duration: "45 s", "12 min", "3.5 h"."""
    if seconds < 55:
        return f"{max(round(seconds / 5) * 5, 5)} s"
    if seconds < 100 * 60:
        return f"{max(round(seconds / 60), 1)} min"
    return f"{seconds / 3600:.1f} h"


def age(seconds: float) -> str:
    """Write how long ago something was, in a few characters: "now", "5 min", "3 h", "2 d"."""
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{int(seconds / 60)} min"
    if seconds < 24 * 3600:
        return f"{int(seconds / 3600)} h"
    return f"{int(seconds / (24 * 3600))} d"


def listed(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines, but no more than a panel or a dialog has room for."""
    more = (f"and {len(lines) - LISTED:,} more",) if len(lines) > LISTED else ()
    return (*lines[:LISTED], *more)


def wrapped(text: str, *, columns: int) -> list[str]:
    """Break a text into lines for labels, which do not wrap."""
    import textwrap  # noqa: PLC0415 - of no use when enabling

    return textwrap.wrap(text, width=max(columns, 10), break_on_hyphens=False)


_GAP = "    "


def suggestion(name: str, about: str) -> str:
    """Write an entry of a list of suggestions: a value, and something about it that `chosen` takes off again.

    Blender 4.2 to 5.0 take a description besides the value, and never show it.
    """
    return f"{name}{_GAP}{about}" if about else name


def chosen(text: str) -> str:
    """Return the value that was typed or chosen from suggestions."""
    return text.strip().partition(_GAP)[0].strip()


def names(text: str) -> tuple[str, ...]:
    """Return the names in a text with commas between them, each once.

    >>> names("g6.xlarge, g5.xlarge,, g6.xlarge")
    ('g6.xlarge', 'g5.xlarge')
    """
    return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))


def short_estimate(estimate: Estimate | None) -> str:
    """Write what a job will probably take in a few characters: "$0.12, 25 min"; or what will tell."""
    if estimate is None:
        return "Price not known"
    if estimate.usd is None or estimate.seconds is None:
        return "After a first render"
    return f"{money(estimate.usd)}, {about(estimate.seconds)}"


def estimated(estimate: Estimate) -> str:
    """Write what a job will probably take: "About $0.12 in 25 min"; or what is known of it."""
    if estimate.usd is None or estimate.seconds is None:
        return f"{hourly(estimate.hourly_usd)}; time not known yet"
    return f"About {money(estimate.usd)} in {about(estimate.seconds)}{data_out(estimate.data_out_usd)}"


def data_out(usd: float | None) -> str:
    """Write what the frames' way back adds to a cost: ", + up to $0.11 data"; "" if that is not worth a word."""
    return f", + up to {money(usd)} data" if usd is not None and worth_a_word(usd) else ""


def short_limits(max_cost: float | None, max_hours: float) -> str:
    """Write the limits of a job in a few characters: "$5.00 or 8 h"."""
    return f"{money(max_cost)} or {max_hours:g} h" if max_cost else f"{max_hours:g} h"


def limits(max_cost: float | None, max_hours: float) -> str:
    """Write the limits of a job: "$5.00 or 8 hours"."""
    hours = f"{max_hours:g} hour{'s' if max_hours != 1 else ''}"
    return f"{money(max_cost)} or {hours}" if max_cost else f"{hours}, no limit on cost"
