# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam to the agent on a machine: what a `Link` tells it, and what it brings from there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..assets.manifest import HashedFile, Manifest
from ..cancel import CancelToken

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}", re.ASCII)
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class RenderPlan:
    """What the agent is told: sent as `plan.json`, one key per field. Paths are POSIX, relative to the project.

    `blender` is "4.2" (newest patch release of the series) or "4.2.3" (exactly that). `mirror` is the base URL
    of Blender's release tree. `gpu` says that the machine has a GPU, so rendering without one is an error.
    `move_seconds` is what following AWS's recommendation to leave the machine has to be worth: it is left between
    frames when it has rendered for so long and as much work is left. None: it is never left.
    `addons` are the Python modules of add-ons to be enabled before the file is opened.
    """

    job_id: str
    blend: str
    frames: tuple[int, ...]
    blender: str
    mirror: str
    gpu: bool
    autoexec: bool
    move_seconds: int | None
    addons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A finished file on the machine, as the agent announced it: name, bytes, hex SHA-256."""

    name: str
    size: int
    sha256: str

    @property
    def plain(self) -> bool:
        """Whether it is called what no path is, on any system, Windows included: the machine is not trusted."""
        name = self.name
        return bool(_PLAIN_NAME.fullmatch(name)) and not name.endswith(".") and not _WINDOWS_DEVICE.fullmatch(name)


class Link(Protocol):
    """One open connection to the agent on a machine. A dead peer is noticed within 15 s: `LinkError`."""

    def push(
        self,
        project: Callable[[Callable[[], None]], Manifest],
        *,
        on_sent: Callable[[int, int], None],
        recheck: Callable[[HashedFile], None],
        cancel: CancelToken,
    ) -> None:
        """Send what the machine lacks of the project, which is there whole and verified, or not at all.

        `project` is only called if the machine has none: one that has it needs nothing from this computer; it calls
        what it is given now and then for as long as it takes. What arrives is kept: a push that broke is gone on with
        on the next link. `on_sent` gets bytes so far, and in all that has to be sent. `recheck` is asked about a file
        that arrives damaged, and raises if it is the file that changed. Returns early if the agent has ended.
        """

    def start(self, plan: RenderPlan) -> float | None:
        """Start the agent, detached from this link. If it already runs for this machine, nothing changes.

        It brings Blender at once, and renders when the project is there, which may be pushed later. Returns the
        machine's uptime in seconds, by which its events can be told to have been when (None: it did not say).
        """

    def events(
        self, *, cancel: CancelToken, ahead: Callable[[list[dict[str, Any]]], None] = lambda _: None
    ) -> Iterator[dict[str, Any] | None]:
        """Yield the agent's events from the first on, then live; `None` at every heartbeat (2 s).

        Ends after a terminal event ("finished", "failed", "stopped"); docs/ARCHITECTURE.md lists the events. The
        machine's lease is renewed meanwhile. Events that came at once are all told to `ahead` before the first of them.
        """

    def snapshot(self) -> list[dict[str, Any]]:
        """Return the events there are now, without waiting."""

    def expect(self, files: Iterable[RemoteFile]) -> None:
        """Tell which files will be fetched next, in order: small ones then come in one stream. Asks for nothing yet."""

    def fetch(self, file: RemoteFile, destination: Path, *, cancel: CancelToken) -> None:
        """Write one finished file to `destination`, checked against size and hash (`TransferError`).

        It is for the caller to see it through to the disk.
        """

    def finish(self) -> None:
        """Tell the machine that its frames have been collected: it powers itself off."""

    def keep(self, seconds: int) -> None:
        """Tell the machine, in place of `finish`, to end itself so many seconds from now; never later than it would."""

    def begin(self, job_id: str) -> None:
        """Empty the machine for another job: neither frames nor project are left.

        Blender stays, and what is stored by content. Nothing, if that job has begun already. Raises `MachineError`
        while the agent works, or if the machine is ending.
        """

    def extend(self, seconds: int, *, lease_seconds: int) -> None:
        """Undo `keep`: let the machine live so many seconds from now, but never beyond its lifetime."""

    def close(self) -> None:
        """Drop the connection; the agent goes on. Never raises."""
