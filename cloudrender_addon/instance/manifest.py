# SPDX-License-Identifier: GPL-3.0-or-later
"""What a project consists of: names, and the SHA-256 of what is in them. The same for every way it can be sent.

`{"manifest": 1, "files": [{"name", "size", "sha256", "executable"}, …]}`; each content is an object of its own, known
by its hash, and is there once however many files have it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One file: its POSIX path below the project, its bytes, their SHA-256, whether it may be run."""

    name: str
    size: int
    sha256: str
    executable: bool


def parse_manifest(text: bytes) -> tuple[Entry, ...]:
    """Return the files. Raises `ValueError` for what is no manifest, or names a place outside the project."""
    try:
        raw = json.loads(text)
        if raw["manifest"] != _VERSION:
            raise ValueError(f"a manifest of version {raw['manifest']}")
        return tuple(map(_entry, raw["files"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a manifest: {error!r}") from error


def objects_of(entries: tuple[Entry, ...]) -> tuple[tuple[str, int], ...]:
    """Return hash and size of each content, once, in the order of the files: by its place here it is called."""
    return tuple({entry.sha256: entry.size for entry in entries}.items())


def _entry(raw: dict[str, Any]) -> Entry:
    name, size, sha256 = raw["name"], raw["size"], raw["sha256"]
    if not _is_inside(name):
        raise ValueError(f"a file's name leads out of the project: {name!r}")
    if not isinstance(size, int) or size < 0 or not _SHA256.fullmatch(sha256):
        raise ValueError(f"no size or no SHA-256: {name!r}")
    return Entry(name, size, sha256, bool(raw["executable"]))


def _is_inside(name: str) -> bool:
    return "\0" not in name and not {"", ".", ".."}.intersection(name.split("/"))
