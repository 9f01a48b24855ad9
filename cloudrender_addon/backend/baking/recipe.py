# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe (instance/bake_*.sh): one run of it over one SSH connection; `said.py` hears what it says meanwhile."""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...instance import agent_files, recipe_files
from ..cancel import CancelToken
from ..errors import LinkError, MachineError
from ..farms import agent_commands as commands
from ..farms.base import Machine
from .said import DISK_FULL, Said, full_disk

CLEAN = "bake_clean.sh"
"""The recipe that comes last: it takes the keys away that let us in."""

_CONNECT_SECONDS = 30.0
_SILENCE_SECONDS = 30.0
"""Fifteen of the recipe's signs of life missed."""

_RENEW_SECONDS = 30.0
_ROOT_FIFTHS = 600

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
        if DISK_FULL.encode() in answer.complaints:
            raise full_disk()
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
