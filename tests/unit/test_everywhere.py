# SPDX-License-Identifier: GPL-3.0-or-later
"""Outside instance/, no code uses what only POSIX has, unless it asks first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cloudrender_addon
from tests.cloud.elsewhere import MODULES

ROOT = Path(cloudrender_addon.__file__).parent

NAMES = {
    "os": {
        "chown", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getpgid", "getuid",
        "initgroups", "killpg", "lchown", "mkfifo", "mknod", "nice", "posix_spawn", "pread", "pwrite", "readv",
        "sendfile", "setgid", "setsid", "setuid", "statvfs", "sync", "uname", "wait", "writev",
    },
    "signal": {"SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2", "setitimer"},
    "socket": {"AF_UNIX", "MSG_DONTWAIT", "SO_REUSEPORT", "TCP_USER_TIMEOUT", "sendmsg"},
    "select": {"epoll", "poll"},
}  # fmt: skip
"""What modules that Windows has as well lack there (their pages in Python's documentation, "Availability: Unix")."""


def offences(tree: ast.AST) -> Iterator[str]:
    """Yield what the code uses of POSIX alone; within an `if` or `with` that asks or allows for it, it may."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and any(word in ast.unparse(node.test) for word in ("hasattr", "platform")):
            continue
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in NAMES.get(node.value.id, ()):
                yield f"line {node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Import):
            yield from (f"line {node.lineno}: {name.name}" for name in node.names if name.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module in MODULES:
            yield f"line {node.lineno}: {node.module}"
        yield from offences(node)


FILES = sorted(path for path in ROOT.rglob("*.py") if ROOT / "instance" not in path.parents)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_of_posix_alone(path: Path) -> None:
    assert list(offences(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_an_offence_is_found() -> None:
    code = "import os, fcntl\nos.kill(os.getpgid(1), 2)\nif hasattr(os, 'nice'):\n    os.nice(1)\n"
    assert list(offences(ast.parse(code))) == ["line 1: fcntl", "line 2: os.getpgid"]
