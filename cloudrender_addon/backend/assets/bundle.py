# SPDX-License-Identifier: GPL-3.0-or-later
"""A project as it will be sent: what `project.py` finds, `hashing.py` makes a manifest of, and a `Link` pushes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BundleFile:
    """One file to send: where it is, its POSIX path below the project, its size in bytes.

    `mtime_ns` is its time if nothing but what it was then may be sent: a .blend, whose files were found out then.
    """

    source: Path
    name: str
    size: int
    mtime_ns: int | None = None


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A project as it will be sent: its root, its files sorted by name.

    `concerns` are texts worth a question to the user before it is sent, `notes` say what is left out, and why.
    """

    root: Path
    files: tuple[BundleFile, ...]
    concerns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def with_source(self, name: str, source: Path) -> Bundle:
        """Return the bundle with the file of this name taken from elsewhere. Raises `OSError`."""
        size = source.stat().st_size
        files = tuple(replace(f, source=source, size=size, mtime_ns=None) if f.name == name else f for f in self.files)
        return replace(self, files=files)

    def with_files(self, files: Iterable[BundleFile]) -> Bundle:
        """Return the bundle with more files; they take the place of those that have the same name."""
        named = {file.name: file for file in (*self.files, *files)}
        return replace(self, files=tuple(named[name] for name in sorted(named)))

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)
