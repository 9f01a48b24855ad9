# SPDX-License-Identifier: GPL-3.0-or-later
"""The `cloudrender` command that is killed (SIGKILL) at one step: of taking over a kept machine, or of starting a job.

The step is in CLOUDRENDER_TEST_DEATH, which is taken out before the command sees it. Even a machine that is kept for
seconds is taken over, so that no test waits for minutes.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from cloudrender_addon.backend.farms.agent_link import AgentLink
from cloudrender_addon.backend.job import taking_over
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.cli.main import run


def dying(does: Callable[..., Any], *, when: Callable[..., bool] = lambda *_a, **_k: True) -> Any:
    """Return what does the same, and is killed when that is done."""

    def act(*arguments: Any, **named: Any) -> Any:
        done = does(*arguments, **named)
        if when(*arguments, **named):
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return act


def _taken(_folder: JobFolder, record: Any) -> bool:
    return bool(record.taken)


STARTING: dict[str, Callable[[], None]] = {
    "sent": lambda: setattr(AgentLink, "push", dying(AgentLink.push)),
}

STEPS: dict[str, Callable[[], None]] = {
    "emptied": lambda: setattr(AgentLink, "begin", dying(AgentLink.begin)),
    "after the record": lambda: setattr(JobFolder, "save", dying(JobFolder.save, when=_taken)),
    "closed": lambda: setattr(taking_over, "load_settled", dying(taking_over.load_settled, when=_twice())),
    "extended": lambda: setattr(AgentLink, "extend", dying(AgentLink.extend)),
}


def _twice() -> Callable[..., bool]:
    """Return what is true at the second call: the first only looks whose the machine is."""
    calls: list[object] = []

    def when(*arguments: object) -> bool:
        calls.append(arguments)
        return len(calls) == 2

    return when


if __name__ == "__main__":
    taking_over._HAND_OVER_SECONDS = 0.0
    {**STARTING, **STEPS}[os.environ.pop("CLOUDRENDER_TEST_DEATH")]()
    sys.argv[0] = "cloudrender"
    run()
