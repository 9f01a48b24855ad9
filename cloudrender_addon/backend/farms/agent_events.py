# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's event log, followed or read over SSH. The machine is not trusted: anything may come."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from ..cancel import CancelToken
from ..errors import LinkError, MachineError
from . import agent_commands as commands

if TYPE_CHECKING:
    from ..ssh.connection import SshConnection

_TERMINAL = frozenset(("finished", "failed", "stopped"))

_HEARTBEAT_SILENCE = 10.0
"""Five heartbeats missed, in seconds."""

_MAX_LOG_BYTES = 64 << 20


def follow_events(
    connection: SshConnection, *, cancel: CancelToken, ahead: Callable[[list[dict[str, Any]]], None]
) -> Generator[dict[str, Any] | None, None, None]:
    """Yield the events from the first on, then live, `None` at heartbeats; ends after a terminal event.

    What has come at once is told to `ahead` first.

    Raises `LinkError` after 10 s without a heartbeat, `MachineError` for what is no event, `Cancelled`.
    """
    batches = connection.stream_batches(
        commands.remote(commands.AGENT, "follow", "0"),
        task="Following the render",
        silence_seconds=_HEARTBEAT_SILENCE,
        cancel=cancel,
    )
    with contextlib.closing(batches):
        for batch in batches:
            events = list(map(_event, batch))
            ahead([event for event in events if event])
            for event in events:
                yield event
                if event and event["event"] in _TERMINAL:
                    return
    raise LinkError("The machine stopped reporting")


def read_events(connection: SshConnection, *, silence_seconds: float, cancel: CancelToken) -> list[dict[str, Any]]:
    """Return the events there are now. Raises `MachineError`, `LinkError`, `Cancelled`."""
    lines = connection.stream_lines(
        commands.remote(commands.AGENT, "dump"),
        task="Reading the log",
        silence_seconds=silence_seconds,
        cancel=cancel,
    )
    events, size = [], 0
    with contextlib.closing(lines):
        for line in lines:
            size += len(line)
            if size > _MAX_LOG_BYTES:
                raise MachineError("The machine's log is longer than makes sense")
            if event := _event(line):
                events.append(event)
    return events


def _event(line: bytes) -> dict[str, Any] | None:
    """Return what a line says, None for a heartbeat."""
    if not line.strip():
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MachineError("The machine sends what is no event") from error
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise MachineError("The machine sends what is no event")
    return event
