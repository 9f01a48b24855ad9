# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent answers when it is started, and line by line while a project is sent.

The machine is not trusted: anything may come.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from ..errors import MachineError
from . import agent_commands as commands


def next_answer(lines: Iterator[bytes]) -> dict[str, Any]:
    """Return what it says next. Raises `EOFError` when it says no more, `MachineError` for what makes no sense."""
    for line in lines:
        if not line.strip() or line == commands.WAITING:
            continue
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise nonsense() from error
        if not isinstance(answer, dict):
            raise nonsense()
        return answer
    raise EOFError


def uptime_in(said: bytes) -> float | None:
    """Return the machine's uptime in seconds, as the agent told it when it was started; None if that makes no sense."""
    try:
        uptime = float(json.loads(said)["uptime"])
    except (ValueError, RecursionError, KeyError, TypeError, OverflowError):
        return None
    return uptime if math.isfinite(uptime) and uptime >= 0 else None


def nonsense() -> MachineError:
    """Return the error for an answer that no agent gives."""
    return MachineError("The machine answers what makes no sense", hint="Render again.")
