# SPDX-License-Identifier: GPL-3.0-or-later
"""The link to the agent on a machine: docs/ARCHITECTURE.md's "On the machine", spoken over SSH."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...instance import agent_files, bootstrap_program
from ...instance.transfer import LENGTH
from ..assets.manifest import HashedFile, Manifest
from ..cancel import CancelToken
from ..errors import LinkError, MachineError
from . import agent_commands as commands
from .agent_answers import next_answer, nonsense, uptime_in
from .agent_events import follow_events, read_events
from .download import Download
from .link import Link, RemoteFile, RenderPlan
from .upload import Upload

if TYPE_CHECKING:
    from ..ssh.command import RemoteCommand
    from ..ssh.connection import Answer, SshConnection

_ANSWER_SILENCE = 14.0
"""For everything else, in seconds. A program's first start on a new machine reads a disk that is still being filled."""

_RENEW_SECONDS = 30.0

_SETUP_SECONDS = 120


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
        self._booted = False
        self._download = Download(connection, silence_seconds=_ANSWER_SILENCE)

    def push(
        self,
        project: Callable[[Callable[[], None]], Manifest],
        *,
        on_sent: Callable[[int, int], None],
        recheck: Callable[[HashedFile], None],
        cancel: CancelToken,
    ) -> None:
        """See `Link.push`. Raises `ProjectError`, `MachineError` (its disk), `TransferError`, `LinkError`."""
        from ..ssh.command import InputClosed  # noqa: PLC0415 - paramiko, see `open_link`

        silence = _ANSWER_SILENCE
        command = commands.remote(commands.TALK, "receive") if self._booted else self._boot_command("receive")
        with self._connection.command(command, silence_seconds=silence, cancel=cancel) as talk:
            answers = talk.lines()
            try:
                if not self._booted:
                    talk.send(memoryview(self._boot_input()))
                state = next_answer(answers).get("state")
                self._booted = True
                if state == "lacking":
                    manifest = project(lambda: self._keep_lease(cancel))
                    upload = Upload(
                        self._connection,
                        manifest,
                        on_sent=on_sent,
                        recheck=recheck,
                        silence_seconds=silence,
                        cancel=cancel,
                    )
                    upload.run(talk, answers)
                elif state not in ("present", "ended"):
                    raise nonsense()
            except (InputClosed, EOFError):
                self._why_not(talk, answers)

    def _why_not(self, talk: RemoteCommand, answers: Iterator[bytes]) -> None:
        """Raise for an agent that took no more of the project; not if it has said that nobody will render it."""
        from ..ssh.connection import Answer as Ending  # noqa: PLC0415

        last = [line for line in answers if line.strip() and line != commands.WAITING]
        answer = Ending(talk.status(), b"", talk.complaints)
        self._check_root(answer)
        answer.check("Sending the project")
        if not last or b'"ended"' not in last[-1]:
            raise MachineError("The machine stopped taking the project")

    def start(self, plan: RenderPlan) -> float | None:
        """Start the agent; nothing, if it was started before. Raises `MachineError`, `LinkError`, `Cancelled`."""
        self._boot()
        text = json.dumps(dataclasses.asdict(plan)).encode()
        said = self._run(commands.START, str(len(text)), task="Starting the render agent", stdin=text)
        return uptime_in(said)

    def events(
        self, *, cancel: CancelToken, ahead: Callable[[list[dict[str, Any]]], None] = lambda _: None
    ) -> Generator[dict[str, Any] | None, None, None]:
        """See `Link.events`. Raises `LinkError` after 10 s without a heartbeat, `MachineError`, `Cancelled`."""
        return follow_events(self._connection, cancel=cancel, ahead=ahead)

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the events there are now. Raises `MachineError`, `LinkError`, `Cancelled`."""
        return read_events(self._connection, silence_seconds=_ANSWER_SILENCE, cancel=self._cancel)

    def expect(self, files: Iterable[RemoteFile]) -> None:
        """See `Link.expect`."""
        self._download.expect(files)

    def fetch(self, file: RemoteFile, destination: Path, *, cancel: CancelToken) -> None:
        """Write one finished file to `destination`, which is there whole or not at all.

        Raises `TransferError` (not what was announced), `MachineError` (no such file, no acceptable name),
        `LinkError`, `Cancelled`, and `OSError` when this computer cannot write it.
        """
        if not file.plain:
            raise MachineError(f"The machine offers a file under an unacceptable name: {file.name!r}")
        part = destination.with_name(destination.name + ".part")
        try:
            with part.open("w+b") as out:
                self._download.fetch(file, out, cancel=cancel)
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

    def begin(self, job_id: str) -> None:
        """Empty the machine for another job. Raises as `start` does."""
        self._run(commands.AGENT, "begin", job_id, task="Emptying the machine")

    def extend(self, seconds: int, *, lease_seconds: int) -> None:
        """Let the machine live so many seconds from now. Raises as `start` does."""
        self._run(commands.AGENT, "extend", str(seconds), str(lease_seconds), task="Keeping the machine")

    def close(self) -> None:
        """Drop the connection; the agent goes on. Never waits, never raises."""
        self._download.close()
        self._connection.close()

    def _boot(self) -> None:
        """Wait for ROOT and put the agent there, once a link. Raises as `start` does."""
        if self._booted:
            return
        answer = self._connection.run(
            self._boot_command(), stdin=self._boot_input(), silence_seconds=_ANSWER_SILENCE, cancel=self._cancel
        )
        self._check_root(answer)
        answer.check("Preparing the machine")
        self._booted = True

    def _boot_command(self, *arguments: str) -> str:
        fifths = int(self._setup_seconds * 5)
        return commands.remote(commands.BOOT, str(fifths), str(len(bootstrap_program())), *arguments)

    def _boot_input(self) -> bytes:
        files = {name: content.decode() for name, content in self._files.items()}
        packed = zlib.compress(json.dumps(files).encode())
        return bootstrap_program() + LENGTH.pack(len(packed)) + packed

    def _check_root(self, answer: Answer) -> None:
        if answer.status == commands.NO_ROOT:
            raise MachineError(
                f"The machine did not set itself up within {self._setup_seconds:.0f} s",
                hint="Its image has to run user data at the first boot (cloud-init): choose another image.",
            )

    def _keep_lease(self, cancel: CancelToken) -> None:
        """Let the machine live on while it does nothing but exchange files, on a channel beside theirs."""
        cancel.check()
        if time.monotonic() - self._renewed >= _RENEW_SECONDS:
            self._renewed = time.monotonic()
            self._run(commands.AGENT, "renew", task="Keeping the machine", cancel=cancel)

    def _run(
        self, script: str, *arguments: str, task: str, stdin: bytes = b"", cancel: CancelToken | None = None
    ) -> bytes:
        return self._connection.run(
            commands.remote(script, *arguments),
            stdin=stdin,
            silence_seconds=_ANSWER_SILENCE,
            cancel=cancel or self._cancel,
        ).check(task)
