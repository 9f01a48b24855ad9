# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over the blocks that a machine lacks, over as many connections as help."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ...instance.transfer import block_bytes, blocks_of
from ..assets.manifest import HashedFile, Manifest
from ..cancel import CancelToken
from ..errors import CloudrenderError, MachineError
from . import agent_commands as commands
from .agent_answers import next_answer
from .connections import CONNECT_SECONDS, FAR_SECONDS, MOST_CONNECTIONS
from .outgoing import Outgoing

if TYPE_CHECKING:
    from ..ssh.command import RemoteCommand
    from ..ssh.connection import SshConnection

_BYTES_EACH = 16 << 20
"""What a connection has to carry to be worth opening."""

_POLL_SECONDS = 0.1

_log = logging.getLogger(__name__)


class Work:
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


class Round:
    """One pass over the work, on `connection` and, unless `alone`, on others beside it if the machine is far away.

    `on_sent` gets bytes so far, of `total`; on the caller's thread.
    """

    def __init__(
        self,
        connection: SshConnection,
        manifest: Manifest,
        work: Work,
        *,
        total: int,
        on_sent: Callable[[int, int], None],
        alone: bool,
        silence_seconds: float,
        cancel: CancelToken,
    ) -> None:
        self._connection = connection
        self._manifest = manifest
        self._work = work
        self._total = total
        self._on_sent = on_sent
        self._silence = silence_seconds
        self._cancel = cancel
        self._sent = 0
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._over = threading.Event()
        far = connection.round_trip >= FAR_SECONDS and not alone
        self._helpers = [
            threading.Thread(target=self._help, name=f"cloudrender-upload-{n}", daemon=True)
            for n in range(min(MOST_CONNECTIONS, work.size // _BYTES_EACH) - 1 if far else 0)
        ]

    def run(self, talk: RemoteCommand) -> None:
        """Send what is lacking, over `talk` on the link's own connection. Raises what went wrong, and `Cancelled`."""
        for helper in self._helpers:
            helper.start()
        try:
            with contextlib.closing(self._stream(talk, self._report)) as stream:
                for index, number in self._work:
                    stream.block(index, self._manifest.objects[index], number)
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
        self._cancel.check()
        if self._error:
            raise self._error
        if self._over.is_set():
            raise _Over

    def _count(self, size: int) -> None:
        with self._lock:
            self._sent += size

    def _report(self, size: int) -> None:
        self._count(size)
        self._on_sent(min(self._sent, self._total), self._total)

    def _help(self) -> None:
        """Bring blocks over a connection of one's own. What is lost with it is sent again in the next round."""
        from ..ssh.command import InputClosed  # noqa: PLC0415 - as in agent_link.py

        command = commands.remote(commands.TALK, "receive", self._manifest.sha256)
        try:
            connection = self._connection.another(cancel=self._cancel, timeout=CONNECT_SECONDS)
            with (
                contextlib.closing(connection),
                connection.command(command, silence_seconds=self._silence, cancel=self._cancel) as talk,
                contextlib.closing(self._stream(talk, self._count)) as stream,
            ):
                for index, number in self._work:
                    stream.block(index, self._manifest.objects[index], number)
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


def _bytes_of(size: int, numbers: Sequence[int]) -> int:
    return size if len(numbers) == blocks_of(size) else sum(block_bytes(size, number) for number in numbers)
