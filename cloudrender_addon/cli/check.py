# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender check-setup`: each check on a line as it is known, with the next step under what is not right."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from ..backend.baking import words
from ..backend.baking.record import BuildStore
from ..backend.farms.check import CheckResult, CheckState, check_setup
from ..backend.settings import Settings
from .display import put

_MARKS = {CheckState.OK: "✓", CheckState.WARNING: "!", CheckState.FAILED: "✗", CheckState.SKIPPED: "-"}
_PLAIN_MARKS = {**_MARKS, CheckState.OK: "+", CheckState.FAILED: "x"}
_NAME_WIDTH = 13


def check(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the checks; return 0 if none failed, else 1."""
    results = []
    for result in itertools.chain(check_setup(settings), _left_half_way(settings)):
        results.append(result)
        if arguments.json:
            print(json.dumps(asdict(result), ensure_ascii=False), flush=True)
        else:
            _put(result)
    failed = sum(result.state is CheckState.FAILED for result in results)
    if not arguments.json:
        print(_verdict(failed))
    return 1 if failed else 0


def _left_half_way(settings: Settings) -> Iterator[CheckResult]:
    for build_id, record in BuildStore(settings.home).left().items():
        text, hint = words.half_way(build_id, record), "`cloudrender clean-up` ends it"
        yield CheckResult(name="Left Behind", state=CheckState.WARNING, text=text, hint=hint)


def _put(result: CheckResult) -> None:
    mark = (_MARKS if _can_print("✓✗") else _PLAIN_MARKS)[result.state]
    put(f"{mark} {result.name:<{_NAME_WIDTH}} {result.text}", indent=_NAME_WIDTH + 3)
    if result.hint:
        put(f"{'':<{_NAME_WIDTH + 2}} → {result.hint}")


def _verdict(failed: int) -> str:
    if failed:
        return f"\n{failed} of the checks failed: do what the arrow says, then check again"
    return "\nReady to render"


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
