# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a recipe (instance/bake_*.sh) on a machine over SSH, and read what it says."""

from __future__ import annotations

import contextlib
import io
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
from ..errors import CloudrenderError, GpuError, LinkError, MachineError
from ..farms import agent_commands as commands
from ..farms.base import Machine

_CONNECT_SECONDS = 30.0
_SILENCE_SECONDS = 30.0
"""Fifteen of the recipe's signs of life missed."""

_RENEW_SECONDS = 30.0
_ROOT_FIFTHS = 600
_MAX_LINES = 500_000
_LOG_LINES = 20
_VERSION = re.compile(r"\d+(\.\d+){1,3}")

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

    `seconds` is from the recipe's start to the first frame's end.
    """

    contents: Contents
    device: str
    downloaded: tuple[str, ...]
    seconds: float


def run_recipe(
    machine: Machine,
    *,
    key_file: Path,
    kind: str,
    test: bool = False,
    mirror: str,
    blender: tuple[str, ...],
    say: Callable[[str], None],
    cancel: CancelToken,
) -> Baked:
    """Run the recipe for that kind of machines to its end; `test` only looks whether all is there and works.

    Raises `MachineError` with the recipe's own cause (`GpuError` where the driver is it), `LinkError` (the connection
    broke; a recipe without a listener ends), `HostKeyError`, `Cancelled`.
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
        answer.check("Putting the recipe on the machine")
        script = "bake_test.sh" if test else f"bake_{kind}.sh"
        said = _Said(say)
        renewed = time.monotonic()
        lines = connection.stream_lines(
            commands.remote(_RUN, script, kind, mirror, " ".join(blender)),
            task="The recipe",
            silence_seconds=_SILENCE_SECONDS,
            cancel=cancel,
        )
        with contextlib.closing(lines):
            try:
                for line in lines:
                    said.hear(line.decode("utf-8", "replace"))
                    if not said.cleaning and time.monotonic() - renewed >= _RENEW_SECONDS:
                        renewed = time.monotonic()
                        renew = commands.remote(commands.AGENT, "renew")
                        connection.run(renew, silence_seconds=_SILENCE_SECONDS, cancel=cancel).check("Keeping it")
            except LinkError:
                raise
            except MachineError as failed:
                raise said.failure(failed) from failed
    return said.result(kind)


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class _Said:
    """What a recipe has said so far. The machine is not trusted: anything may come."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._facts: dict[str, list[str]] = {}
        self._last: deque[str] = deque(maxlen=_LOG_LINES)
        self._error = self._hint = ""
        self._count = 0
        self._began = time.monotonic()
        self._seconds = 0.0
        self.cleaning = False

    def hear(self, line: str) -> None:
        self._count += 1
        if self._count > _MAX_LINES:
            raise MachineError("The recipe prints more than makes sense")
        kind, _, text = line[:500].partition(" ")
        match kind:
            case "::step":
                self.cleaning = text == "Cleaning up"
                self._say(text)
            case "::fact":
                name, _, value = text.partition(" ")
                if name == "device" and not self._seconds:
                    self._seconds = time.monotonic() - self._began
                self._facts.setdefault(name, []).append(value)
            case "::error":
                self._error = text
            case "::hint":
                self._hint = text
            case _ if line.strip():
                self._last.append(line[:500])

    def failure(self, error: MachineError) -> CloudrenderError:
        """Return the error of a recipe that ended with another status than 0."""
        if not self._error:
            return MachineError(error.message, details=tuple(self._last))
        about_gpu = "NVIDIA" in self._error or "GPU" in self._error
        return (GpuError if about_gpu else MachineError)(self._error, hint=self._hint, details=tuple(self._last))

    def result(self, kind: str) -> Baked:
        """Return what the recipe says it did. Raises `MachineError` if that is not all of it, or makes no sense."""
        versions = tuple(dict.fromkeys(self._facts.get("blender", [])))
        driver = self._facts.get("driver", [""])[-1]
        plain = all(_VERSION.fullmatch(each) for each in (*versions, *([driver] if kind != "cpu" else [])))
        if "finished" not in self._facts or not versions or not plain:
            raise MachineError("The recipe did not say what it did", details=tuple(self._last))
        contents = Contents(kind=kind, blender=versions, driver=driver if kind != "cpu" else "")
        return Baked(
            contents=contents,
            device=", ".join(dict.fromkeys(self._facts.get("device", []))),
            downloaded=tuple(self._facts.get("download", [])),
            seconds=self._seconds,
        )
