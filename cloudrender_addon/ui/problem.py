# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing that would go wrong with a cloud render, as the preflight finds it and the dialog shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..backend.errors import CloudrenderError


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, and the next step, each in a line. An ERROR is in the way, a WARNING is for the user.

    `operator` puts it right, or leads there ("" if none does). `names` are lines about each thing concerned. `missing`
    are paths of files that are not there: who goes on all the same renders without.
    """

    level: Literal["ERROR", "WARNING"]
    text: str
    fix: str
    operator: str = ""
    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def error(text: str, fix: str, operator: str = "") -> Problem:
    """Return what is in the way."""
    return Problem(level="ERROR", text=text, fix=fix, operator=operator)


def warning(text: str, fix: str, operator: str = "", names: tuple[str, ...] = ()) -> Problem:
    """Return what the user should know."""
    return Problem(level="WARNING", text=text, fix=fix, operator=operator, names=names)


def refused(cause: CloudrenderError) -> Problem:
    """Return what the backend would refuse."""
    return error(cause.message, cause.hint.rstrip("."))
