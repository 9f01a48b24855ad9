# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a project: the manifest, then what the machine lacks of it, over as many connections as help.

The far end of the conversation is `instance/receive.py`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...instance.transfer import LENGTH, block_bytes, blocks_of
from ..assets.concerns import in_words
from ..assets.manifest import HashedFile, Manifest
from ..cancel import CancelToken
from ..errors import CloudrenderError, MachineError, TransferError
from . import agent_commands as commands
from .outgoing import Outgoing

if TYPE_CHECKING:
    from ..ssh.command import RemoteCommand
    from ..ssh.connection import SshConnection

FAR_SECONDS = 0.015
"""A round trip from which on one connection does not fill a good line (1 Gbit/s): sshd takes 2 MB ahead, no more."""

_BYTES_EACH = 16 << 20
"""What a connection has to carry to be worth opening."""

MOST_CONNECTIONS = 4
_CONNECT_SECONDS = 15.0
_MOST_DAMAGED = 2
_MOST_ROUNDS = 6
_FILE_OVERHEAD = 4096
_POLL_SECONDS = 0.1

_log = logging.getLogger(__name__)


class Upload:
    """Sends one project over a link. `on_sent` gets bytes so far, and in all that has to be sent; on this thread.

    `recheck(file)` tells whether a file still has the content it had: it is asked when something arrives damaged.
    """

    def __init__(
        self,
        connection: SshConnection,
        manifest: Manifest,
        *,
        on_sent: Callable[[int, int], None],
        recheck: Callable[[HashedFile], None],
        silence_seconds: float,
        cancel: CancelToken,
    ) -> None:
        self._connection = connection
        self._manifest = manifest
        self._on_sent = on_sent
        self._recheck = recheck
        self._silence = silence_seconds
        self._cancel = cancel
        self._damaged: Counter[int] = Counter()
        self._total = 0

    def run(self, talk: RemoteCommand, answers: Iterator[bytes]) -> None:
        """Talk to the agent's `receive` until the project is in its place, or the agent has ended.

        Raises `ProjectError`, `MachineError`, `TransferError`, `LinkError`, `Cancelled`; and `InputClosed` when the
        other side ends without a word.
        """
        text = zlib.compress(self._manifest.text, 1)
        talk.send(memoryview(LENGTH.pack(len(text)) + text))
        for attempt in range(_MOST_ROUNDS):
            answer = next_answer(answers)
            if answer.get("state") == "ended":
                return
            work = self._work(answer)
            if not work.blocks:
                if next_answer(answers).get("complete"):
                    return
                break
            if not attempt:
                self._check_room(answer, work)
                self._total = work.size
            self._look_at_damage(answer)
            _Round(self, work, talk, alone=attempt > 0).run()
        raise TransferError("The project does not arrive whole on the machine")

    def _work(self, answer: dict[str, Any]) -> _Work:
        objects = self._manifest.objects
        blocks: dict[int, Sequence[int]]
        try:
            lacking = _numbers(answer["lacking"], len(objects))
            blocks = {index: range(blocks_of(objects[index].size)) for index in lacking}
            for index, runs in answer["begun"].items():
                blocks[int(index)] = tuple(_numbers(runs, len(blocks[int(index)])))
            return _Work(blocks, objects)
        except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise _nonsense() from error

    def _check_room(self, answer: dict[str, Any], work: _Work) -> None:
        free, needed = answer.get("free"), work.size + _FILE_OVERHEAD * len(self._manifest.files)
        if isinstance(free, int) and free < needed:
            raise MachineError(
                f"The machine's disk is too small: {in_words(free)} free, {in_words(needed)} needed",
                hint="Name what the render does not need in .cloudrenderignore.",
            )

    def _look_at_damage(self, answer: dict[str, Any]) -> None:
        """Find out whether the way is to blame, or the file: it may have changed without showing it."""
        found = answer.get("damaged")
        for index in found if isinstance(found, list) else ():
            if not isinstance(index, int) or not 0 <= index < len(self._manifest.objects):
                raise _nonsense()
            file = self._manifest.objects[index]
            self._recheck(file)
            self._damaged[index] += 1
            if self._damaged[index] > _MOST_DAMAGED:
                raise TransferError(f"{file.name} arrives damaged on the machine, however often it is sent")


class _Work:
    """The blocks that are lacking, handed out one by one to whoever is free."""

    def __init__(self, blocks: Mapping[int, Sequence[int]], objects: tuple[HashedFile, ...]) -> None:
        self.blocks = blocks
        self.size = sum(_bytes_of(objects[index].size, numbers) for index, numbers in blocks.items())
        self._lock = threading.Lock()
        self._rest = ((index, number) for index, numbers in blocks.items() for number in numbers)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        while True:
            with self._lock:
                block = next(self._rest, None)
            if block is None:
                return
            yield block


class _Round:
    """One pass over what is lacking, on the link's own connection and on others beside it."""

    def __init__(self, upload: Upload, work: _Work, talk: RemoteCommand, *, alone: bool) -> None:
        self._upload = upload
        self._work = work
        self._talk = talk
        self._objects = upload._manifest.objects
        self._sent = 0
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._over = threading.Event()
        far = upload._connection.round_trip >= FAR_SECONDS and not alone
        self._helpers = [
            threading.Thread(target=self._help, name=f"cloudrender-upload-{n}", daemon=True)
            for n in range(min(MOST_CONNECTIONS, work.size // _BYTES_EACH) - 1 if far else 0)
        ]

    def run(self) -> None:
        for helper in self._helpers:
            helper.start()
        try:
            with contextlib.closing(self._stream(self._talk, self._report)) as stream:
                for index, number in self._work:
                    stream.block(index, self._objects[index], number)
                stream.flush()
                for helper in self._helpers:
                    while helper.is_alive():
                        helper.join(_POLL_SECONDS)
                        self._report(0)
                        self._check()
                stream.end()
        finally:
            self._over.set()  # the others notice it at their next piece, and let go of their connections

    def _stream(self, talk: RemoteCommand, on_sent: Callable[[int], None]) -> Outgoing:
        return Outgoing(talk.send, on_sent=on_sent, check=self._check)

    def _check(self) -> None:
        self._upload._cancel.check()
        if self._error:
            raise self._error
        if self._over.is_set():
            raise _Over

    def _count(self, size: int) -> None:
        with self._lock:
            self._sent += size

    def _report(self, size: int) -> None:
        self._count(size)
        total = self._upload._total
        self._upload._on_sent(min(self._sent, total), total)

    def _help(self) -> None:
        """Bring blocks over a connection of one's own. What is lost with it is sent again in the next round."""
        from ..ssh.command import InputClosed  # noqa: PLC0415 - as in agent_link.py

        upload = self._upload
        command = commands.remote(commands.TALK, "receive", upload._manifest.sha256)
        try:
            connection = upload._connection.another(cancel=upload._cancel, timeout=_CONNECT_SECONDS)
            with (
                contextlib.closing(connection),
                connection.command(command, silence_seconds=upload._silence, cancel=upload._cancel) as talk,
                contextlib.closing(self._stream(talk, self._count)) as stream,
            ):
                for index, number in self._work:
                    stream.block(index, self._objects[index], number)
                stream.end()
                next_answer(talk.lines())
        except (MachineError, InputClosed, _Over) as lost:
            _log.info("a connection beside the first one ended early: %r", lost)
        except CloudrenderError as error:
            self._error = error
        except Exception as bug:  # noqa: BLE001 - raised on the thread that waits for this one
            self._error = bug


class _Over(Exception):
    """The round has ended without this connection."""


def next_answer(lines: Iterator[bytes]) -> dict[str, Any]:
    """Return what it says next. Raises `EOFError` when it says no more, `MachineError` for what makes no sense."""
    for line in lines:
        if not line.strip() or line == commands.WAITING:
            continue
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _nonsense() from error
        if not isinstance(answer, dict):
            raise _nonsense()
        return answer
    raise EOFError


def _bytes_of(size: int, numbers: Sequence[int]) -> int:
    return size if len(numbers) == blocks_of(size) else sum(block_bytes(size, number) for number in numbers)


def _numbers(runs: list[list[int]], end: int) -> Iterator[int]:
    """Spell out ascending runs of numbers below `end`. Raises `ValueError`, `TypeError` for what is none."""
    least = 0
    for first, count in runs:
        if not least <= first < first + count <= end:
            raise ValueError("a number that there is not, or that was there before")
        least = first + count
        yield from range(first, least)


def _nonsense() -> MachineError:
    return MachineError("The machine answers what makes no sense", hint="Render again.")
