# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a trace and what it answers: two JSON files."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Request:
    """One .blend to trace.

    `blend` is opened: the user's file, or a snapshot of it saved elsewhere. `original` is the user's own file, None if
    it was never saved. `name` is the .blend's POSIX path below `project` in the bundle. Rewritten .blends go into
    `staging`.
    """

    blend: str
    original: str | None
    project: str
    name: str
    staging: str
    result: str


def read_request(path: Path) -> Request:
    """Read the request. Raises `OSError`, `ValueError`, `TypeError` for what is none."""
    return Request(**json.loads(path.read_text(encoding="utf-8")))


@dataclass
class Answer:
    """What a trace found: see `docs/ARCHITECTURE.md`. All paths are text; a name that is none is shown with `?`."""

    blender: str
    files: dict[str, str] = field(default_factory=dict)  # name below the project → source
    missing: list[dict[str, str]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    undefined_nodes: list[str] = field(default_factory=list)
    viewport_only: list[str] = field(default_factory=list)
    blends: dict[str, dict[str, Any]] = field(default_factory=dict)  # name → which file it was when it was read

    def as_json(self) -> dict[str, Any]:
        """Return it as it is written, sorted so that the same project gives the same answer."""
        files = [{"source": source, "name": name} for name, source in sorted(self.files.items())]
        return {
            "blender": self.blender,
            "files": files,
            "missing": _distinct(self.missing),
            "left_out": _distinct(self.left_out),
            "warnings": [shown(text) for text in dict.fromkeys(self.warnings)],
            "scripts": [shown(text) for text in self.scripts],
            "undefined_nodes": sorted({shown(name) for name in self.undefined_nodes}),
            "viewport_only": sorted({shown(path) for path in self.viewport_only}),
            "blends": [{"name": name, **read} for name, read in sorted(self.blends.items())],
        }


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write the result, whole or not at all. Raises `OSError`."""
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(json.dumps(result), encoding="utf-8")
    os.replace(beside, path)


def shown(text: str) -> str:
    """Return the text as it can be printed: neither control characters nor bytes that are no text.

    >>> shown("wood\\udcff.png")
    'wood?.png'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _distinct(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    clean = [{key: shown(value) for key, value in entry.items()} for entry in entries]
    return sorted({json.dumps(entry): entry for entry in clean}.values(), key=lambda entry: sorted(entry.items()))
