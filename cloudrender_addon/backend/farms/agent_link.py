# SPDX-License-Identifier: GPL-3.0-or-later
"""The link to the agent on a machine: docs/ARCHITECTURE.md's "On the machine", spoken over SSH."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ...instance import agent_files
from ..assets.bundle import Bundle
from ..assets.concerns import in_words
from ..assets.tar import tar_of, write_tar
from ..cancel import CancelToken
from ..errors import LinkError, MachineError, TransferError
from . import agent_commands as commands
from .base import Link, RemoteFile, RenderPlan

if TYPE_CHECKING:
    from ..ssh.connection import SshConnection

TERMINAL = frozenset(("finished", "failed", "stopped"))

_HEARTBEAT_SILENCE = 10.0
"""Five heartbeats missed, in seconds."""

_ANSWER_SILENCE = 14.0
"""For everything else, in seconds. A program's first start on a new machine reads a disk that is still being filled."""

_RENEW_SECONDS = 30.0

_SETUP_SECONDS = 120
_MAX_LOG_BYTES = 64 << 20
_FILE_OVERHEAD = 4096


def open_link(
    *, address: str, port: int, user: str, key_file: Path, host_key: str, cancel: CancelToken, timeout: float
) -> Link:
    """Connect to a machine within `timeout` seconds. Calls that take no `cancel` of their own hear this one.

    Raises `LinkError` (it may still be booting), `HostKeyError`, `RecordError`, `Cancelled`.
    """
    # Here, because paramiko takes 0.2 s to import, which nobody should wait for who only starts the program.
    from ..ssh.connection import SshConnection  # noqa: PLC0415

    connection = SshConnection.open(
        address=address,
        port=port,
        user=user,
        key_file=key_file,
        host_key=host_key,
        cancel=cancel,
        timeout=timeout,
    )
    return AgentLink(connection, files=agent_files(), cancel=cancel)


class AgentLink:
    """See `Link`. `files` are the agent's own (name → content); `setup_seconds` bounds the wait for the user data."""

    def __init__(
        self,
        connection: SshConnection,
        *,
        files: Mapping[str, bytes],
        cancel: CancelToken,
        setup_seconds: float = _SETUP_SECONDS,
    ) -> None:
        self._connection = connection
        self._files = files
        self._cancel = cancel
        self._setup_seconds = setup_seconds
        self._renewed = time.monotonic()

    def push(self, bundle: Callable[[], Bundle], *, on_sent: Callable[[int, int], None], cancel: CancelToken) -> None:
        """Send agent and project; nothing, if the machine has them. `on_sent` gets bytes so far, and in all.

        Raises `ProjectError` (a file changed meanwhile), `MachineError` (its disk), `LinkError`, `Cancelled`.
        """
        free = self._prepare(cancel=cancel)
        if free is None:
            return
        project = bundle()
        total = project.total_bytes
        needed = total + _FILE_OVERHEAD * len(project.files)
        if free < needed:
            raise MachineError(
                f"The machine's disk is too small: {in_words(free)} free, {in_words(needed)} needed",
                hint="Name what the render does not need in .cloudrenderignore.",
            )
        self._connection.write_stream(
            commands.remote(commands.UNPACK),
            lambda send: write_tar(
                project, send, on_sent=lambda sent: on_sent(sent, total), check=lambda: self._keep_lease(cancel)
            ),
            silence_seconds=_ANSWER_SILENCE,
            cancel=cancel,
        ).check("Unpacking the project")
        self._run(commands.COMPLETE, task="Unpacking the project", cancel=cancel)

    def start(self, plan: RenderPlan) -> None:
        """Start the agent; nothing, if it was started before. Raises `MachineError`, `LinkError`, `Cancelled`."""
        text = json.dumps(dataclasses.asdict(plan)).encode()
        self._run(commands.START, str(len(text)), task="Starting the render agent", stdin=text)

    def events(self, *, cancel: CancelToken) -> Generator[dict[str, Any] | None, None, None]:
        """Yield the agent's events from the first on, then live, `None` at heartbeats; ends after a terminal event.

        Raises `LinkError` after 10 s without a heartbeat, `MachineError` for what is no event, `Cancelled`.
        """
        lines = self._connection.stream_lines(
            commands.remote(commands.AGENT, "follow", "0"),
            task="Following the render",
            silence_seconds=_HEARTBEAT_SILENCE,
            cancel=cancel,
        )
        with contextlib.closing(lines):
            for line in lines:
                event = _event(line)
                yield event
                if event and event["event"] in TERMINAL:
                    return
        raise LinkError("The machine stopped reporting")

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the events there are now. Raises `MachineError`, `LinkError`, `Cancelled`."""
        lines = self._connection.stream_lines(
            commands.remote(commands.AGENT, "dump"),
            task="Reading the log",
            silence_seconds=_ANSWER_SILENCE,
            cancel=self._cancel,
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

    def fetch(self, file: RemoteFile, destination: Path, *, cancel: CancelToken) -> None:
        """Write one finished file to `destination`, which is there whole or not at all.

        Raises `TransferError` (not what was announced), `MachineError` (no such file, no acceptable name),
        `LinkError`, `Cancelled`, and `OSError` when this computer cannot write it.
        """
        if not file.plain:
            raise MachineError(f"The machine offers a file under an unacceptable name: {file.name!r}")
        part = destination.with_name(destination.name + ".part")
        try:
            with part.open("wb") as out:
                self._receive(file, out, cancel=cancel)
                out.flush()
                os.fsync(out.fileno())
            part.replace(destination)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise

    def finish(self) -> None:
        """Tell the machine that its frames have been collected: it powers itself off. Raises as `start` does."""
        # The connection may end before the answer is here: that is what the machine was asked for.
        with contextlib.suppress(LinkError):
            self._run(commands.AGENT, "collected", task="Ending the machine")

    def keep(self, seconds: int) -> None:
        """Let the machine end itself so many seconds from now. Raises as `start` does."""
        self._run(commands.AGENT, "keep", str(seconds), task="Keeping the machine")

    def close(self) -> None:
        """Drop the connection; the agent goes on. Never waits, never raises."""
        self._connection.close()

    def _prepare(self, *, cancel: CancelToken) -> float | None:
        """Wait for ROOT and put the agent there; return the bytes free, None if the project is there already."""
        answer = self._connection.run(
            commands.remote(commands.PREPARE, str(int(self._setup_seconds * 5))),
            stdin=tar_of(self._files),
            silence_seconds=_ANSWER_SILENCE,
            cancel=cancel,
        )
        if answer.status == commands.NO_ROOT:
            raise MachineError(
                f"The machine did not set itself up within {self._setup_seconds:.0f} s",
                hint="Its image has to run user data at the first boot (cloud-init): choose another image.",
            )
        last = answer.check("Preparing the machine").strip().rpartition(b"\n")[2]
        if last == commands.PRESENT:
            return None
        free = re.search(rb"(\d{1,18})\s+\d+%", last)  # of `df`: blocks of 1,024 bytes
        return int(free[1]) * 1024 if free else math.inf

    def _keep_lease(self, cancel: CancelToken) -> None:
        """Let the machine live on while it does nothing but exchange files, on a channel beside theirs."""
        cancel.check()
        if time.monotonic() - self._renewed >= _RENEW_SECONDS:
            self._renewed = time.monotonic()
            self._run(commands.AGENT, "renew", task="Keeping the machine", cancel=cancel)

    def _receive(self, file: RemoteFile, out: IO[bytes], *, cancel: CancelToken) -> None:
        digest, size = hashlib.sha256(), 0
        chunks = self._connection.read_stream(
            commands.remote(commands.FETCH, file.name),
            task=f"Fetching {file.name}",
            silence_seconds=_ANSWER_SILENCE,
            cancel=cancel,
        )
        with contextlib.closing(chunks):
            for chunk in chunks:
                self._keep_lease(cancel)
                size += len(chunk)
                if size > file.size:
                    break  # an endless one must not fill the disk
                digest.update(chunk)
                out.write(chunk)
        if size != file.size or digest.hexdigest() != file.sha256.lower():
            raise TransferError(f"{file.name} arrived damaged", hint="It is fetched again.")

    def _run(
        self, script: str, *arguments: str, task: str, stdin: bytes = b"", cancel: CancelToken | None = None
    ) -> bytes:
        return self._connection.run(
            commands.remote(script, *arguments),
            stdin=stdin,
            silence_seconds=_ANSWER_SILENCE,
            cancel=cancel or self._cancel,
        ).check(task)


def _event(line: bytes) -> dict[str, Any] | None:
    """Return what a line says, None for a heartbeat. The machine is not trusted: anything may come."""
    if not line.strip():
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MachineError("The machine sends what is no event") from error
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise MachineError("The machine sends what is no event")
    return event
