# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a render on a machine is: finished frames, counted in the agent's event log."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_HEAD_BYTES = 40
"""The first event's name and time: no other job's log begins with the same."""

_LOOK_SECONDS = 0.05  # a stat() each time: nothing a render on the same computer would feel


class Rendering(Protocol):
    """What is watched."""

    @property
    def event_log(self) -> Path: ...


class FrameCounter:
    """Counts the finished frames in a growing event log, reading every byte once.

    Those of several jobs one after another, if the machine has them: each begins with a log of its own.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self._head = b""
        self.count = 0

    def update(self) -> int:
        """Read what is new and return the count so far."""
        try:
            with self._path.open("rb") as file:
                if file.read(len(self._head)) != self._head:
                    self._offset, self._rest, self._head = 0, b"", b""
                file.seek(self._offset)
                new = file.read()
        except OSError:  # not there yet, or gone with its machine
            return self.count
        self._head = self._head or new[:_HEAD_BYTES]
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        self.count += sum(1 for line in lines if line and json.loads(line).get("event") == "frame")
        return self.count


class FrameWatch:
    """Calls `action(machine)` once, on its own thread, when the machine has `frames` finished frames."""

    def __init__(
        self,
        frames: int,
        action: Callable[[Rendering], None],
        *,
        machine: Callable[[], Rendering | None],
    ) -> None:
        self._frames = frames
        self._action = action
        self._machine = machine
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._done.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        counter = None
        while not self._done.wait(_LOOK_SECONDS):
            machine = self._machine()
            if machine is None:
                continue
            counter = counter or FrameCounter(machine.event_log)
            if counter.update() >= self._frames:
                self._action(machine)
                return
