# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Setup: everything a job needs, looked at before money is spent, each with a tick or the next step.

The looks are in `check_looks.py` and `check_limits.py`; here is their order, and what a failure means for the rest.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import CloudrenderError
from ..settings import Settings
from . import check_limits, check_looks
from .check_looks import Remark, Setup, of_each_type
from .factory import open_account


class CheckState(enum.StrEnum):
    """How a check went. FAILED: a render would fail. SKIPPED: it waits for another one that failed."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check: what was found, in one line, and the next step; WARNING and FAILED always have one."""

    name: str
    state: CheckState
    text: str
    hint: str = ""


_CHECKS: tuple[tuple[str, Callable[[Setup], Remark], tuple[str, ...]], ...] = (
    ("Credentials", check_looks.credentials, ()),
    ("Network", check_looks.network, ("Credentials",)),
    ("Machine Type", of_each_type(check_looks.kind, among=lambda it: it.settings.instance_types), ("Credentials",)),
    ("Image", of_each_type(check_looks.image, among=lambda it: it.kinds), ("Credentials", "Machine Type")),
    # Whatever else failed: it may be for a missing right, and all that are missing are to be named at once.
    ("Rights", check_limits.rights, ("Credentials",)),
    ("Quota", of_each_type(check_limits.quota, among=lambda it: it.kinds), ("Credentials", "Machine Type")),
    ("Key", check_looks.key, ()),
    ("Price", of_each_type(check_looks.price, among=lambda it: it.images), ("Credentials", "Machine Type", "Image")),
)
"""Each with those that must not have failed before."""

NAMES = tuple(name for name, _, _ in _CHECKS)
"""The names of all checks, in the order in which they come."""


def check_setup(settings: Settings) -> Iterator[CheckResult]:
    """Yield each check's result as soon as it is known. Nothing is made or changed in the account.

    To be run off the main thread: a check may take seconds, and a minute where nobody answers. Whatever is wrong with
    account, network or computer is a result, not an exception.
    """
    setup = Setup(account=open_account(settings), settings=settings)
    unknown: set[str] = set()
    for name, look, needs in _CHECKS:
        reason = next((need for need in needs if need in unknown), None)
        if reason is not None:
            result = CheckResult(name=name, state=CheckState.SKIPPED, text=f"Not checked: {reason} comes first")
        else:
            result = _look(name, look, setup)
        if result.state in (CheckState.FAILED, CheckState.SKIPPED):
            unknown.add(name)
        yield result


def _look(name: str, look: Callable[[Setup], Remark], setup: Setup) -> CheckResult:
    try:
        remark = look(setup)
    except CloudrenderError as error:
        hint = error.hint or "Check again in some minutes; run `cloudrender check-setup -v` and report what it prints"
        return CheckResult(name=name, state=CheckState.FAILED, text=error.message, hint=hint)
    state = CheckState.WARNING if remark.hint else CheckState.OK
    return CheckResult(name=name, state=state, text=remark.text, hint=remark.hint)
