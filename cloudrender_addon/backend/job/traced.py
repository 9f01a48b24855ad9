# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job's .blend uses, kept in the job's folder: it is traced once, and whoever goes on with the job sends that.

`traced.json` says what is sent; `traced/` holds links to the copies of .blends in which paths were rewritten.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..assets.bundle import Bundle, BundleFile
from ..assets.concerns import listed
from ..assets.staging import link, note_use
from ..assets.trace_result import LeftOut, MissingFile
from ..assets.traced import Traced
from ..errors import ProjectError, RecordError
from .folder import JobFolder

LINKS = "traced"

_VERSION = 1
_CHANGED = "Changed since the job was made, so the frames that are missing may not match those that are here"


def is_traced(folder: JobFolder) -> bool:
    """Tell whether the job's folder says which files it sends."""
    return _path(folder).is_file()


def keep_traced(folder: JobFolder, traced: Traced) -> None:
    """Write down what a job sends, and hold on to the copies among it. Raises `RecordError`."""
    links = folder.path / LINKS
    rows: list[dict[str, object]] = []
    try:
        links.mkdir(mode=0o700, exist_ok=True)
        for number, file in enumerate(traced.bundle.files):
            # By the copy's own name: another copy is another file, whatever was noted before.
            kept = f"{number}-{file.source.name}" if file.name in traced.staged else None
            if kept:
                link(file.source, links / kept)
            stamp = file.mtime_ns
            rows.append({"source": str(file.source), "name": file.name, "kept": kept, "stamp": stamp})
        data = {
            "version": _VERSION,
            "root": str(traced.bundle.root),
            "files": rows,
            "missing": [asdict(each) for each in traced.missing],
            "left_out": [asdict(each) for each in traced.left_out],
            "warnings": traced.warnings,
            "undefined_nodes": traced.undefined_nodes,
            "viewport_only": traced.viewport_only,
            "outside": list(map(str, traced.outside)),
            "notes": traced.bundle.notes,
            "concerns": traced.bundle.concerns,
        }
        part = _path(folder).with_suffix(".part")
        part.write_text(json.dumps(data), encoding="utf-8")
        part.replace(_path(folder))
        for left in {path.name for path in links.iterdir()} - {str(row["kept"]) for row in rows}:
            (links / left).unlink()
    except OSError as error:
        raise RecordError(
            f"The files of the job cannot be noted in {folder.path} ({error.strerror})",
            hint="Make room on that disk, or set another folder: CLOUDRENDER_HOME",
        ) from error


def load_traced(folder: JobFolder) -> Traced:
    """Return what the job sends, with the files looked at anew.

    Raises `ProjectError` when any of them is gone, `RecordError` when it cannot be read what they were.
    """
    try:
        data = json.loads(_path(folder).read_bytes())
        if data["version"] != _VERSION:
            raise ValueError("it was written by another version of cloudrender")
        return _traced(data, folder.path / LINKS)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RecordError(
            f"It cannot be read which files job {folder.job_id} sends ({error})", hint="Start a new render of the file"
        ) from error


def _path(folder: JobFolder) -> Path:
    return folder.path / "traced.json"


def _traced(data: dict[str, Any], links: Path) -> Traced:
    files, gone, changed = [], [], []
    for row in data["files"]:
        source = Path(row["source"])
        if row["kept"] is not None:
            source = _still_same(source, links / row["kept"])
        try:
            status = source.stat()
        except OSError:
            gone.append(str(source))
            continue
        if row["stamp"] not in (None, status.st_mtime_ns):
            changed.append(row["name"])
        mtime_ns = None if row["stamp"] is None else status.st_mtime_ns
        files.append(BundleFile(source=source, name=row["name"], size=status.st_size, mtime_ns=mtime_ns))
    _raise_gone(gone)
    bundle = Bundle(
        root=Path(data["root"]),
        files=tuple(files),
        concerns=tuple(data["concerns"]),
        notes=(*data["notes"], *listed(_CHANGED, changed)),
    )
    return Traced(
        bundle=bundle,
        missing=tuple(MissingFile(**each) for each in data["missing"]),
        left_out=tuple(LeftOut(**each) for each in data["left_out"]),
        warnings=tuple(data["warnings"]),
        undefined_nodes=tuple(data["undefined_nodes"]),
        viewport_only=tuple(data["viewport_only"]),
        outside=tuple(map(Path, data["outside"])),
        staged=frozenset(row["name"] for row in data["files"] if row["kept"] is not None),
        changed=tuple(changed),
    )


def _still_same(copy: Path, kept: Path) -> Path:
    """Return the copy where other jobs send it from, too, if it is there still: its hash is known.

    It is in use then: nobody else's trace deletes it before it is sent.
    """
    try:
        if not copy.samefile(kept):
            return kept
    except OSError:
        return kept
    note_use(copy)
    return copy


def _raise_gone(gone: Sequence[str]) -> None:
    if gone:
        [text] = listed("Files that the job sends are gone", gone)
        raise ProjectError(
            text.rstrip("."), hint="Put them back, or start a new render of the file", details=tuple(gone)
        )
