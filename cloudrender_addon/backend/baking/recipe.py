# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe (instance/bake_*.sh): one run of it over one SSH connection, and what it says meanwhile."""

from __future__ import annotations

import contextlib
import io
import math
import re
import tarfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...instance import agent_files, recipe_files
from ..aws.machine_images import Contents
from ..cancel import CancelToken
from ..clock import now
from ..errors import CloudrenderError, GpuError, LinkError, MachineError
from ..farms import agent_commands as commands
from ..farms.base import Machine

CLEAN = "bake_clean.sh"
"""The recipe that comes last: it takes the keys away that let us in."""

_CONNECT_SECONDS = 30.0
_SILENCE_SECONDS = 30.0
"""Fifteen of the recipe's signs of life missed."""

_RENEW_SECONDS = 30.0
_ROOT_FIFTHS = 600
_MAX_LINES = 500_000
_MAX_NEWS = 1000
_LOG_LINES = 20
_VERSION = re.compile(r"\d+(\.\d+){1,3}")
_DISK_FULL = "No space left on device"

_PUT = (
    # $1: how many fifths of a second to wait for ROOT, which the user data makes; input: a tar of agent and recipe.
    'n=0; until [ -w "$root" ] && [ -x "$root" ]; do '
    '[ "$n" -lt "$1" ] || exit 75; n=$((n+1)); echo waiting; sleep 0.2; done; '
    'mkdir -p "$root/agent" && exec tar -xof - -C "$root/agent"'
)

_RUN = (
    # $1: the recipe; $2: the kind of machines; $3: Blender's release tree; $4: versions.
    'CR_MIRROR=$3 CR_BLENDERS=$4; export CR_MIRROR CR_BLENDERS; exec /bin/sh "$root/agent/$1" "$2" < /dev/null 2>&1'
)


@dataclass(frozen=True, kw_only=True)
class Baked:
    """What is on the machine now, the device that its first frames were rendered on, what had to be downloaded.

    Its very first frame was finished at `first_frame_at` (`clock.now`), a first sample of it at `first_sample_at`, None
    where that was not told.
    """

    contents: Contents
    device: str
    downloaded: tuple[str, ...]
    first_frame_at: float
    first_sample_at: float | None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is to be done on a machine: `scripts` in their order, for machines of that kind with those Blenders."""

    kind: str
    scripts: tuple[str, ...]
    mirror: str
    blender: tuple[str, ...]

    @classmethod
    def to_make(cls, *, kind: str, mirror: str, blender: tuple[str, ...]) -> Recipe:
        """Return the recipe of an image."""
        return cls(kind=kind, scripts=(f"bake_{kind}.sh", CLEAN), mirror=mirror, blender=blender)

    @classmethod
    def to_try(cls, *, kind: str, mirror: str, blender: tuple[str, ...]) -> Recipe:
        """Return the recipe that only looks whether all is there and works."""
        return cls(kind=kind, scripts=("bake_test.sh",), mirror=mirror, blender=blender)


def run_script(
    recipe: Recipe, script: str, *, machine: Machine, key_file: Path, said: Said, cancel: CancelToken
) -> None:
    """Run one script of a recipe to its end; it may have been run before, to any step.

    Raises `MachineError` with the recipe's own cause (`GpuError` where the driver is it), `LinkError` (the connection
    broke; a recipe without a listener ends, when the tool in hand has), `HostKeyError`, `Cancelled`.
    """
    from ..ssh.connection import SshConnection  # noqa: PLC0415 - paramiko takes 0.2 s to import

    connection = SshConnection.open(
        address=machine.address or "",
        port=machine.ssh_port,
        user=machine.ssh_user,
        key_file=key_file,
        host_key=machine.host_key,
        cancel=cancel,
        timeout=_CONNECT_SECONDS,
    )
    with contextlib.closing(connection):
        files = _tar({**agent_files(), **recipe_files()})
        command = commands.remote(_PUT, str(_ROOT_FIFTHS))
        answer = connection.run(command, stdin=files, silence_seconds=_SILENCE_SECONDS, cancel=cancel)
        if answer.status == commands.NO_ROOT:
            raise MachineError(
                "The machine did not set itself up",
                hint="Its image has to run user data at the first boot (cloud-init): begin with another one, or auto",
            )
        if _DISK_FULL.encode() in answer.complaints:
            raise _full_disk(())
        answer.check("Putting the recipe on the machine")
        renewed = time.monotonic()
        lines = connection.stream_lines(
            commands.remote(_RUN, script, recipe.kind, recipe.mirror, " ".join(recipe.blender)),
            task="The recipe",
            silence_seconds=_SILENCE_SECONDS,
            cancel=cancel,
        )
        with contextlib.closing(lines):
            try:
                for line in lines:
                    said.hear(line.decode("utf-8", "replace"))
                    # The last one takes the agent away, and is done at once.
                    if script != CLEAN and time.monotonic() - renewed >= _RENEW_SECONDS:
                        renewed = time.monotonic()
                        renew = commands.remote(commands.AGENT, "renew")
                        connection.run(renew, silence_seconds=_SILENCE_SECONDS, cancel=cancel).check("Keeping it")
            except LinkError:
                raise
            except MachineError as failed:
                raise said.failure(failed) from failed


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class Said:
    """What a recipe has said so far, over all connections. The machine is not trusted: anything may come."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._facts: dict[str, list[str]] = {}
        self._last: deque[str] = deque(maxlen=_LOG_LINES)
        self._error = self._hint = ""
        self._count = 0
        self._first_frame_at = 0.0
        self._first_sample_at = self._sampled_ago = math.nan
        self._news: set[str] = set()
        self.step = ""
        """What it is at."""

    @property
    def progress(self) -> int:
        """How many different things it has said of what it does: more than before means that it gets on."""
        return len(self._news)

    def hear(self, line: str) -> None:
        """Take a line in. Raises `MachineError` if there are more than makes sense."""
        self._count += 1
        if self._count > _MAX_LINES or len(self._news) > _MAX_NEWS:
            raise MachineError("The recipe prints more than makes sense")
        line = line[:500]
        kind, _, text = line.partition(" ")
        match kind:
            case "::step":
                self.step = text
                self._say(text)
                self._news.add(line)
            case "::fact":
                name, _, value = text.partition(" ")
                if name == "sampled":  # another time each time: no news
                    self._sampled_ago = _seconds(value)
                    return
                if name == "device" and not self._first_frame_at:
                    self._first_frame_at = now()
                    self._first_sample_at = self._first_frame_at - self._sampled_ago
                if line not in self._news:  # a recipe that is run again says it again
                    self._facts.setdefault(name, []).append(value)
                self._news.add(line)
            case "::error":
                self._error = text
            case "::hint":
                self._hint = text
            case _ if line.strip():
                self._last.append(line)

    def failure(self, error: MachineError) -> CloudrenderError:
        """Return the error of a recipe that ended with another status than 0."""
        details = tuple(self._last)
        if any(_DISK_FULL in line for line in (self._error, *details)):
            return _full_disk(details)
        if not self._error:
            return MachineError(f"{error.message}, at: {self.step}" if self.step else error.message, details=details)
        about_gpu = "NVIDIA" in self._error or "GPU" in self._error
        return (GpuError if about_gpu else MachineError)(self._error, hint=self._hint, details=details)

    def result(self, kind: str) -> Baked:
        """Return what the recipe says it did. Raises `MachineError` if that is not all of it, or makes no sense."""
        versions = tuple(dict.fromkeys(self._facts.get("blender", [])))
        driver = self._facts.get("driver", [""])[-1]
        plain = all(_VERSION.fullmatch(each) for each in (*versions, *([driver] if kind != "cpu" else [])))
        if not self.finished or not self._first_frame_at or not versions or not plain:
            raise MachineError("The recipe did not say what it did", details=tuple(self._last))
        contents = Contents(kind=kind, blender=versions, driver=driver if kind != "cpu" else "")
        return Baked(
            contents=contents,
            device=", ".join(dict.fromkeys(self._facts.get("device", []))),
            downloaded=tuple(self._facts.get("download", [])),
            first_frame_at=self._first_frame_at,
            first_sample_at=None if math.isnan(self._first_sample_at) else self._first_sample_at,
        )

    @property
    def finished(self) -> bool:
        """Whether all that an image is made of is there and was tried."""
        return "finished" in self._facts


def _seconds(text: str) -> float:
    """Return a span of time that a recipe tells; NaN if it makes no sense."""
    try:
        seconds = float(text)
    except ValueError:
        return math.nan
    return seconds if 0.0 <= seconds < math.inf else math.nan


def _full_disk(details: tuple[str, ...]) -> MachineError:
    return MachineError(
        "The disk of the machine is full",
        hint="Ask for fewer Blender versions at once, or begin with an image that has a larger disk (--image)",
        details=details,
    )
