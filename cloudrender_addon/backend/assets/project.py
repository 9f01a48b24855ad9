# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of the project folder are sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    """One file to send: where it is, its POSIX path below the project, its size in bytes."""

    source: Path
    name: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A project as it will be sent: its root, its files sorted by name, notes worth a question to the user."""

    root: Path
    files: tuple[BundleFile, ...]
    concerns: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)
