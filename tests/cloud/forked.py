# SPDX-License-Identifier: GPL-3.0-or-later
"""The `cloudrender` command as a fork of this process: what a fresh one has to import and to read is here already.

A process of its own all the same, to be interrupted and killed: a second of work less for each.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.cli.main import main
from tests.cloud.command import Project, Running

_SERVICES = ("ec2", "ssm", "sts", "pricing", "service-quotas", "kms")
_IMPORTED = ("cli.render", "cli.image", "cli.clean_up", "cli.check", "cli.quota", "backend.ssh.connection")


class Forked:
    """A fork, with the part of `Popen` that tests use."""

    def __init__(self, pid: int, *, words: tuple[str, ...]) -> None:
        self.pid = pid
        self.args = words
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and timeout is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkingProject(Project):
    """A project whose commands are forks, unless they are another program."""

    def start(self, *arguments: object, program: Path | None = None, stdin: int = subprocess.DEVNULL) -> Running:
        if program:
            return super().start(*arguments, program=program, stdin=stdin)
        number = len(self.running)
        out, err = self.logs / f"{number}.out", self.logs / f"{number}.err"
        words = tuple(map(str, arguments))
        with out.open("w", encoding="utf-8") as o, err.open("w", encoding="utf-8") as e:
            pid = os.fork()
            if not pid:
                sys.stdin = io.StringIO() if stdin == subprocess.DEVNULL else os.fdopen(stdin, encoding="utf-8")
                sys.stdout, sys.stderr = o, e
                _be_the_command(words, folder=self.path)
        process: Any = Forked(pid, words=words)
        self.running.append(Running(process, out, err))
        return self.running[-1]


def _be_the_command(words: tuple[str, ...], *, folder: Path) -> None:
    """Never returns: whatever pytest would do at its end is not this process's to do."""
    code = 99
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(folder)
        code = main(words)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


@contextlib.contextmanager
def warmed_up() -> Iterator[None]:
    """Let forks find here what each of them would import, and the descriptions of AWS's services read."""
    from botocore.loaders import Loader

    original, read = Loader.__init__, _models()

    def share(self: Any, *arguments: Any, **more: Any) -> None:
        original(self, *arguments, **more)
        self._cache = read

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loader, "__init__", share)
        yield


@cache
def _models() -> dict[Any, Any]:
    """Return what a botocore loader has in its cache when clients of these services are made."""
    import botocore.session

    for name in _IMPORTED:
        importlib.import_module(f"cloudrender_addon.{name}")
    session = botocore.session.Session()
    for service in _SERVICES:
        session.create_client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    return dict(session.get_component("data_loader")._cache)
