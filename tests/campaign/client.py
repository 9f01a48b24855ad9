# SPDX-License-Identifier: GPL-3.0-or-later
"""The `cloudrender` command, less patient: `python client.py ARGUMENT…` is what `python -m cloudrender_addon` is.

A campaign cannot wait three minutes for each machine that does not answer. The constants below are the product's own,
set to seconds; nothing else of it is changed. Two more things are done to it by the environment, which only the
process itself can do at the right moment:

`CAMPAIGN_KILL_AT=before:STATUS` or `after:STATUS` kills it (SIGKILL) just before it writes this status into the job's
record for the first time, or as soon as it is on the disk.
`CAMPAIGN_CLOCK=SECONDS@AFTER` lets somebody set this computer's clock by that much, that long after the start.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from cloudrender_addon.backend.aws import instances
from cloudrender_addon.backend.farms import agent_events, agent_link, ec2, ec2_order, ec2_reach, reconnect
from cloudrender_addon.backend.job import renting, taking_over, tending
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.record import JobRecord
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.cli.main import run

HURRY: Mapping[ModuleType, Mapping[str, float]] = {
    tending: {"UNREACHABLE_SECONDS": 4.0},
    reconnect: {"UNREACHABLE_SECONDS": 4.0},
    agent_events: {"_HEARTBEAT_SILENCE": 5.0},
    agent_link: {"_ANSWER_SILENCE": 7.0},
    ec2_reach: {"_OPEN_SECONDS": 4.0, "_LOOK_EVERY": 1.0},
    instances: {"APPEAR_SECONDS": 3.0},
    renting: {"_FIRST_PAUSE": 1.0, "_LONGEST_PAUSE": 3.0},
    taking_over: {"_CONNECT_SECONDS": 6.0, "_HAND_OVER_SECONDS": 1.0, "_WORTHWHILE_SECONDS": 10.0},
}

_ON_THE_MACHINE = {"interruption.py": (b"_POLL_SECONDS = 5.0", b"_POLL_SECONDS = 0.3")}
_AT_BOOT = ('"${CR_POLL:=5}"', '"${CR_POLL:=1}"')
_SEARCH_SECONDS = 3.0


def hurry() -> None:
    """Set the product's patience to seconds, also that of what it puts on the machine."""
    for module, constants in HURRY.items():
        for name, value in constants.items():
            _set(module, name, value)
    ec2.Ec2Settings.__init__.__kwdefaults__["search_seconds"] = _SEARCH_SECONDS

    script = ec2_order.user_data_script
    ec2_order.user_data_script = lambda **settings: _replaced(script(**settings), *_AT_BOOT)
    files = agent_link.agent_files

    def agent_files() -> dict[str, bytes]:
        return {
            name: _replaced(text, *_ON_THE_MACHINE[name]) if name in _ON_THE_MACHINE else text
            for name, text in files().items()
        }

    agent_link.agent_files = agent_files


def _set(owner: Any, name: str, value: float) -> None:
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name} any more")
    setattr(owner, name, value)


def _replaced(text: Any, old: Any, new: Any) -> Any:
    if old not in text:
        raise ValueError(f"{old!r} is not there any more")
    return text.replace(old, new)


def die_at(moment: str) -> None:
    """Be killed before or after a status is first written: see the top of this file."""
    when, _, name = moment.partition(":")
    status, save = Status(name), JobFolder.save

    def watched(folder: JobFolder, record: JobRecord) -> None:
        reached = record.status is status
        if reached and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        save(folder, record)
        if reached:
            os.kill(os.getpid(), signal.SIGKILL)

    JobFolder.save = watched  # type: ignore[method-assign]


def set_clock(jump: str) -> None:
    """Let `time.time` jump; the monotonic clock is what it is, as on a real computer."""
    seconds, _, after = jump.partition("@")
    real, due = time.time, time.monotonic() + float(after)
    time.time = lambda: real() + (float(seconds) if time.monotonic() >= due else 0.0)


if __name__ == "__main__":
    hurry()
    if at := os.environ.get("CAMPAIGN_KILL_AT"):
        die_at(at)
    if clock := os.environ.get("CAMPAIGN_CLOCK"):
        set_clock(clock)
    sys.exit(run())
