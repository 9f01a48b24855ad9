# SPDX-License-Identifier: GPL-3.0-or-later
"""A small table: figures, and the goal next to each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def show(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print the rows in columns, the first one to the left, the others to the right."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        cells = (
            f"{cell:<{width}}" if not n else f"{cell:>{width}}"
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print("  " + "   ".join(cells).rstrip(), flush=True)


def against(value: float, goal: float, *, form: str = "{:.2f}") -> str:
    """Return the goal and whether it is met: "≤ 1.05 ✓"."""
    return f"≤ {form.format(goal)} {'✓' if value <= goal else '✗'}"
