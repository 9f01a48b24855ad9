# SPDX-License-Identifier: GPL-3.0-or-later
"""What `tracing/trace.py` found out about a .blend, read from the file it wrote.

A .blend may come from anybody, and what it names ends up in there: nothing of it is taken on trust.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LocalBlenderError

_MAX_BYTES = 512 * 1024**2
_MAX_FILES = 1_000_000
_MAX_NAME_BYTES, _MAX_PART_BYTES = 4095, 255
"""Longer ones no Linux machine can have (PATH_MAX, NAME_MAX)."""


@dataclass(frozen=True, kw_only=True)
class TracedFile:
    """A file that the render needs: where it is, its POSIX path below the project."""

    source: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class TracedBlend:
    """A .blend that was read, by its name in the project. `size` and `mtime_ns` are as they were then, or -1."""

    name: str
    path: Path
    size: int
    mtime_ns: int

    def is_unchanged(self) -> bool:
        """Tell whether the file is what was read."""
        try:
            status = self.path.stat()
        except (OSError, ValueError):
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True, kw_only=True)
class MissingFile:
    """A file that is not there. `owner` is what uses it ("image Wood"), `library` the linked file it is in, or ""."""

    owner: str
    path: str
    library: str = ""

    def __str__(self) -> str:
        where = f" of {self.library}" if self.library else ""
        return f"{self.owner}{where} ({self.path})"


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file or folder that is there, and is not sent all the same."""

    owner: str
    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.owner} ({self.path}: {self.why})"


@dataclass(frozen=True, kw_only=True)
class TraceResult:
    """What the .blend uses. `warnings` are sentences, `scripts` what runs if scripts may.

    `undefined_nodes` are types of nodes that Blender does not know, `viewport_only` files that no render needs.
    """

    files: tuple[TracedFile, ...]
    missing: tuple[MissingFile, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    undefined_nodes: tuple[str, ...] = ()
    viewport_only: tuple[str, ...] = ()
    blends: tuple[TracedBlend, ...] = ()


def read_result(path: Path, *, blend: str) -> TraceResult:
    """Read the result of a trace, in which `blend`, the .blend's name in the project, must be.

    Raises `LocalBlenderError`, also with what the trace itself says that it could not do.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too long")
        data = json.loads(path.read_bytes())
        if "error" in _object(data):
            error = _object(data["error"])
            raise LocalBlenderError(_text(error, "message"), hint=_text(error, "hint"))
        return _result(data, blend=blend)
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise LocalBlenderError(f"What Blender says the file uses cannot be read ({error})") from error


def _result(data: dict[str, Any], *, blend: str) -> TraceResult:
    files = tuple(_file(each) for each in _list(data, "files"))
    names = {file.name for file in files}
    if len(files) > _MAX_FILES or len(names) < len(files):
        raise ValueError("too many files, or two of one name")
    if any(parent in names for name in names for parent in _folders(name)):
        raise ValueError("a file is named like a folder")
    if blend not in names:
        raise ValueError("the file itself is not among them")
    return TraceResult(
        files=files,
        missing=tuple(
            MissingFile(owner=_text(each, "owner"), path=_text(each, "path"), library=_text(each, "library"))
            for each in map(_object, _list(data, "missing"))
        ),
        left_out=tuple(
            LeftOut(owner=_text(each, "owner"), path=_text(each, "path"), why=_text(each, "why"))
            for each in map(_object, _list(data, "left_out"))
        ),
        warnings=_strings(data, "warnings"),
        scripts=_strings(data, "scripts"),
        undefined_nodes=_strings(data, "undefined_nodes"),
        viewport_only=_strings(data, "viewport_only"),
        blends=tuple(
            TracedBlend(
                name=_text(each, "name"),
                path=Path(_text(each, "path")),
                size=_number(each, "size"),
                mtime_ns=_number(each, "mtime_ns"),
            )
            for each in map(_object, _list(data, "blends"))
        ),
    )


def _file(data: object) -> TracedFile:
    fields = _object(data)
    source, name = Path(_text(fields, "source")), _text(fields, "name")
    if not source.is_absolute() or "\0" in str(source):
        raise ValueError(f"{str(source)!r} is no absolute path")
    if not is_name(name):
        raise ValueError(f"{name!r} is no name of a file in a project")
    return TracedFile(source=source, name=name)


def is_name(name: str) -> bool:
    """Tell whether a text can be a file's POSIX path below a project's folder, and leads nowhere else."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return False
    parts = encoded.split(b"/")
    return (
        b"\0" not in encoded
        and len(encoded) <= _MAX_NAME_BYTES
        and all(part not in (b"", b".", b"..") and len(part) <= _MAX_PART_BYTES for part in parts)
    )


def _folders(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _object(data: object) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError("not an object")
    return data


def _list(data: dict[str, Any], name: str) -> list[Any]:
    value = data[name]
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")
    return value


def _strings(data: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(_string(each) for each in _list(data, name))


def _text(data: dict[str, Any], name: str) -> str:
    return _string(data[name])


def _number(data: dict[str, Any], name: str) -> int:
    value = data[name]
    if not isinstance(value, int):
        raise ValueError(f"{name} is no number")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value
