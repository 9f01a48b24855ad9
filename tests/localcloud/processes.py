# SPDX-License-Identifier: GPL-3.0-or-later
"""Who descends from whom, read from /proc. Few imports: the supervisor needs it, and every boot waits for that."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator


def descendants(ancestors: Iterable[int]) -> dict[int, str]:
    """Return the process ids below these, zombies left out, each with its name."""
    children: dict[int, list[tuple[int, str]]] = {}
    for pid in _all():
        head, _, tail = _read(pid, "stat").rpartition(b")")  # the name may hold spaces and brackets
        state, parent = tail.split()[:2] if tail else (b"Z", b"0")
        if state != b"Z":
            name = head.partition(b"(")[2].decode(errors="replace")
            children.setdefault(int(parent), []).append((pid, name))
    found: dict[int, str] = {}
    todo = list(ancestors)
    while todo:
        for pid, name in children.get(todo.pop(), ()):
            if pid not in found:
                found[pid] = name
                todo.append(pid)
    return found


def marked(*, variable: str, argument: str) -> set[int]:
    """Return the processes with this "NAME=value" in their environment, or this text in their command line.

    Both, as sshd writes its title over its environment.
    """
    return {
        pid
        for pid in _all()
        if variable.encode() in _read(pid, "environ").split(b"\0") or argument.encode() in _read(pid, "cmdline")
    }


def _all() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - pathlib is a slow import


def _read(pid: int, name: str) -> bytes:
    """Return a file of the process, empty if the process is gone, dead or somebody else's."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123 - as above
        return file.read()
    return b""
