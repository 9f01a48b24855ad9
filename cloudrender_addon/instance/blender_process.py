# SPDX-License-Identifier: GPL-3.0-or-later
"""One running Blender: frame numbers go in over one pipe, one JSON line a frame comes back over another."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

_END_SECONDS = 10.0
_ASK_SECONDS = 0.5
_PIECE_BYTES = 1 << 16
_ADDONS_SCRIPT = Path(__file__).resolve().parent / "addons.py"
_RENDER_SCRIPT = Path(__file__).resolve().parent / "render.py"


class BlenderDied(Exception):
    """Blender ended while a reply was awaited; the message says how."""


class NotWorthWaiting(Exception):
    """A reply was awaited until the caller said that it would come too late."""


class BlenderProcess:
    """Start Blender with `blend` open and render.py running in it. Use as a context manager: it always ends.

    With `addons`, the plan's are started first. `on_first_sample` is called once, when render.py tells of it.
    """

    def __init__(
        self,
        *,
        executable: Path,
        blend: Path,
        autoexec: bool,
        plan: Path,
        work: Path,
        log: Path,
        addons: bool = False,
        on_first_sample: Callable[[], object] = lambda: None,
    ) -> None:
        self._on_first_sample = on_first_sample
        self._unread = b""
        commands_read, commands_write = os.pipe()
        replies_read, replies_write = os.pipe()
        self._commands = os.fdopen(commands_write, "wb", buffering=0)
        self._replies = replies_read
        # Blender reads its arguments in order: what says how to open the file has to come before the file.
        command = [str(executable), "-b", "-noaudio", "-y" if autoexec else "-Y", "--python-exit-code", "3"]
        # What the file is made of has to be known before it is read: the classes and properties of its add-ons.
        command += ["-P", str(_ADDONS_SCRIPT)] if addons else []
        command += [str(blend), "-P", str(_RENDER_SCRIPT), "--", str(plan), str(work)]
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(commands_read, replies_write),
                    start_new_session=True,  # so that all of it can be ended, also behind a launcher script
                    env={
                        **os.environ,
                        "CLOUDRENDER_COMMANDS_FD": str(commands_read),
                        "CLOUDRENDER_REPLIES_FD": str(replies_write),
                    },
                )
        finally:
            os.close(commands_read)
            os.close(replies_write)
        with contextlib.suppress(OSError):  # it may be gone already
            # When memory runs out, the kernel is to take Blender, and not the agent that can tell about it.
            Path(f"/proc/{self._process.pid}/oom_score_adj").write_text("700", encoding="ascii")

    def __enter__(self) -> BlenderProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def render(self, frame: int) -> None:
        """Hand over the next frame number. A Blender that has died is noticed by the next `reply`."""
        with contextlib.suppress(BrokenPipeError):
            self._commands.write(f"{frame}\n".encode("ascii"))

    def reply(self, *, unless: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """Wait for what render.py has to say, as long as it takes. Raises `BlenderDied`, `NotWorthWaiting`.

        `unless` is asked every half second whether to give up.
        """
        while True:
            said: dict[str, Any] = json.loads(self._line(unless))
            if said["reply"] != "first_sample":
                return said
            self._on_first_sample()

    def _line(self, unless: Callable[[], bool]) -> bytes:
        while b"\n" not in self._unread:
            while not select.select([self._replies], [], [], _ASK_SECONDS)[0]:
                if unless():
                    raise NotWorthWaiting
            piece = os.read(self._replies, _PIECE_BYTES)
            if not piece:
                raise BlenderDied(self._death())
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def stop(self) -> None:
        """End it: no more frames, then by force."""
        self._commands.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self.kill()
        os.close(self._replies)

    def kill(self) -> None:
        """End it now, with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _death(self) -> str:
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return "Blender stopped answering"
        number = -code if code < 0 else code - 128
        with contextlib.suppress(ValueError):
            name = signal.Signals(number).name
            if name == "SIGKILL":
                return "Blender was killed (SIGKILL): the machine probably ran out of memory"
            return f"Blender crashed ({name})"
        return f"Blender ended by itself (exit code {code})"
