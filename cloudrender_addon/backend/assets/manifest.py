# SPDX-License-Identifier: GPL-3.0-or-later
"""A project as it is sent: every file known by the SHA-256 of its content, so that each content is sent once, ever."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class HashedFile:
    """One file: where it is, its POSIX path below the project, its size, hash and time (ns) when it was hashed."""

    source: Path
    name: str
    size: int
    sha256: str
    executable: bool
    mtime_ns: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The files of a project. Whatever way it is sent: objects by their hashes, and `text`, which `manifest.py` of
    `instance/` reads.
    """

    files: tuple[HashedFile, ...]

    @functools.cached_property
    def text(self) -> bytes:
        """The manifest as the machine gets it, an object like any other."""
        files = [
            {"name": file.name, "size": file.size, "sha256": file.sha256, "executable": file.executable}
            for file in self.files
        ]
        return json.dumps({"manifest": 1, "files": files}, separators=(",", ":")).encode()

    @functools.cached_property
    def sha256(self) -> str:
        """The hash of `text`."""
        return hashlib.sha256(self.text).hexdigest()

    @functools.cached_property
    def objects(self) -> tuple[HashedFile, ...]:
        """One file for each content, in order; numbered like the machine's `objects_of`."""
        first: dict[str, HashedFile] = {}
        for file in self.files:
            first.setdefault(file.sha256, file)
        return tuple(first.values())
