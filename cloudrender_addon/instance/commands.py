# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client can ask of the agent: see `_USAGE`; docs/ARCHITECTURE.md says what each does."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import zlib
from pathlib import Path

from . import lease
from .begin import begin
from .follow import follow
from .journal import Journal, take_lock, uptime
from .root import Root, read_plan

_PROTOCOL_VERSION = 1
_SHA256 = re.compile(r"([0-9a-f]{64})?")
_USAGE = (
    "usage: python3 agent.py receive [MANIFEST] | serve | start | follow OFFSET | dump | renew | collected"
    " | keep SECONDS | begin JOB | extend SECONDS LEASE_SECONDS"
)


def main(arguments: list[str], *, root: Path) -> int:
    """Run one command and return the exit code: 0, 1 failed, 2 usage."""
    os.umask(0o077)
    place = Root(root)
    try:
        if arguments == ["start"]:
            return _start(place)
        if len(arguments) == 2 and arguments[0] == "follow" and arguments[1].isdecimal():
            return follow(place, offset=int(arguments[1]), out=sys.stdout.fileno())
        if arguments and arguments[0] == "receive" and _SHA256.fullmatch("".join(arguments[1:])):
            from .receive import receive  # noqa: PLC0415 - what no other command needs

            return receive(place, manifest="".join(arguments[1:]) or None)
        if arguments == ["serve"]:
            from .serve import serve  # noqa: PLC0415 - likewise

            return serve(place)
        if arguments == ["dump"]:
            return _dump(place)
        if arguments == ["renew"]:
            lease.renew(place)
            return 0
        if arguments == ["collected"]:
            place.collected.touch()
            return 0
        if len(arguments) == 2 and arguments[0] == "keep" and arguments[1].isdecimal():
            lease.keep(place, int(arguments[1]))
            return 0
        if len(arguments) == 2 and arguments[0] == "begin" and arguments[1]:
            begin(place, arguments[1])
            return 0
        if len(arguments) == 3 and arguments[0] == "extend" and all(map(str.isdecimal, arguments[1:])):
            lease.extend(place, int(arguments[1]), lease_seconds=int(arguments[2]))
            return 0
    except (OSError, ValueError, EOFError, zlib.error) as error:
        print(f"agent: {error}", file=sys.stderr)  # noqa: T201 - the client reads it
        return 1
    print(_USAGE, file=sys.stderr)  # noqa: T201
    return 2


def _start(root: Root) -> int:
    print(json.dumps({"uptime": round(uptime(), 3)}), flush=True)  # noqa: T201 - the client reads it
    plan = read_plan(root.plan)
    lock = take_lock(root.agent_lock)
    if lock is None:
        return 0  # it runs already
    journal = Journal(root.events)
    journal.drop_torn_line()
    if journal.ended():
        return 0
    # Written before the client is let go: from here on a free lock without a terminal event means a dead agent.
    journal.append("started", version=_PROTOCOL_VERSION)
    if _detach(root.agent_log):
        from .work import work  # noqa: PLC0415 - what only the agent itself needs

        work(root, plan, journal)
    return 0


def _dump(root: Root) -> int:
    if root.events.exists():
        with root.events.open("rb") as events:
            shutil.copyfileobj(events, sys.stdout.buffer)
    return 0


def _detach(log: Path) -> bool:
    """Go on in a process of its own that no closing connection takes along; True there, False in the caller."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for source, target in ((nothing, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(out)
    return True
