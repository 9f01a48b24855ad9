# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a project: the manifest, then what the machine lacks of it, over as many connections as help.

The far end of the conversation is `instance/receive.py`.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...instance.transfer import LENGTH, blocks_of
from ..assets.concerns import in_words
from ..assets.manifest import HashedFile, Manifest
from ..cancel import CancelToken
from ..errors import MachineError, TransferError
from .agent_answers import next_answer, nonsense
from .upload_round import Round, Work

if TYPE_CHECKING:
    from ..ssh.command import RemoteCommand
    from ..ssh.connection import SshConnection

_MOST_DAMAGED = 2
_MOST_ROUNDS = 6
_FILE_OVERHEAD = 4096


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
            Round(
                self._connection,
                self._manifest,
                work,
                total=self._total,
                on_sent=self._on_sent,
                alone=attempt > 0,
                silence_seconds=self._silence,
                cancel=self._cancel,
            ).run(talk)
        raise TransferError("The project does not arrive whole on the machine")

    def _work(self, answer: dict[str, Any]) -> Work:
        objects = self._manifest.objects
        blocks: dict[int, Sequence[int]]
        try:
            lacking = _numbers(answer["lacking"], len(objects))
            blocks = {index: range(blocks_of(objects[index].size)) for index in lacking}
            for index, runs in answer["begun"].items():
                blocks[int(index)] = tuple(_numbers(runs, len(blocks[int(index)])))
            return Work(blocks, objects)
        except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise nonsense() from error

    def _check_room(self, answer: dict[str, Any], work: Work) -> None:
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
                raise nonsense()
            file = self._manifest.objects[index]
            self._recheck(file)
            self._damaged[index] += 1
            if self._damaged[index] > _MOST_DAMAGED:
                raise TransferError(f"{file.name} arrives damaged on the machine, however often it is sent")


def _numbers(runs: list[list[int]], end: int) -> Iterator[int]:
    """Spell out ascending runs of numbers below `end`. Raises `ValueError`, `TypeError` for what is none."""
    least = 0
    for first, count in runs:
        if not least <= first < first + count <= end:
            raise ValueError("a number that there is not, or that was there before")
        least = first + count
        yield from range(first, least)
