# SPDX-License-Identifier: GPL-3.0-or-later
"""A question in the terminal that changes nothing unless it is answered by a yes."""

from __future__ import annotations

import sys

from .display import fitted


def agreed(question: str) -> bool:
    """Ask, and tell whether the answer was a yes; silence and the end of input are a no."""
    print(fitted(f"{question} [y/N]", sys.stderr), end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
