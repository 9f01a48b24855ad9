# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Setup against the account of the tests: every check, and what each came to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloudrender_addon.backend.farms.check import NAMES, CheckResult, CheckState, check_setup
from cloudrender_addon.backend.settings import Settings
from tests.aws.aws_stage import EMPTY, REGION, Stage

GPU_SPOT, GPU_ON_DEMAND = "L-3819A6DF", "L-DB2E81BA"
"""Quotas of AWS, by their codes."""

Results = dict[str, CheckResult]


def checks(aws: Stage, home: Path, **settings: Any) -> Iterator[CheckResult]:
    chosen = {"region": REGION, "checkip_url": aws.checkip_url, "home": home, **settings}
    return check_setup(Settings(**chosen))


def check(aws: Stage, home: Path, **settings: Any) -> Results:
    """Run all checks; whatever is wrong, each comes in its turn, says something, and has a next step."""
    results = list(checks(aws, home, **settings))
    assert tuple(result.name for result in results) == NAMES
    for result in results:
        assert result.text and "\n" not in result.text + result.hint
        assert bool(result.hint) == (result.state in (CheckState.WARNING, CheckState.FAILED))
    assert aws.everything() == EMPTY
    return {result.name: result for result in results}


def states(results: Results) -> dict[str, str]:
    """Return the state of each check that is not fine."""
    return {name: result.state.value for name, result in results.items() if result.state is not CheckState.OK}
