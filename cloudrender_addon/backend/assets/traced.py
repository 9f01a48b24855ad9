# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the files that a .blend uses are sent, as a bundle, and what is to be said of the others (`rules.py`)."""

from __future__ import annotations

import logging
import os
import stat
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from .bundle import Bundle, BundleFile
from .concerns import content_concerns, listed
from .rules import IGNORE_FILE, is_secret
from .trace_result import LeftOut, MissingFile, TracedFile, TraceResult

OUTSIDE = "_outside/"
"""Where in the bundle files from outside the project are."""

_PRIVATE = "Used, but not sent, because keys or passwords may be in it"
_IGNORED = f"Used, but not sent, because {IGNORE_FILE} names it"
_NOT_RUN = "Will not run, unless you let scripts run (--enable-autoexec)"
_UNKNOWN = "Nodes that Blender without add-ons does not know"
_FROM_OUTSIDE = "Sent from outside the project folder"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TraceRequest:
    """What is to be traced: `blend` is opened, as what the user's own `original` is (None: never saved).

    `name` is its POSIX path below `project`. `staging` gets the copies in which paths have to be others. `autoexec`
    says that the file's scripts will run when it is rendered. `nodes` are the types of nodes of add-ons that go along.
    """

    blend: Path
    original: Path | None
    project: Path
    name: str
    staging: Path
    autoexec: bool
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Traced:
    """What a .blend uses. `bundle` is all of it that is sent, `outside` what of that is not in the project folder.

    `missing` are files that are not there, `left_out` are there and are not sent all the same, `warnings` say what
    else will look different; among it are the `undefined_nodes`, types of nodes that neither Blender nor an add-on that
    goes along knows. `viewport_only` are files that no render needs: they are not sent. `staged` are the names of those
    files of the bundle that are copies with other paths in them, which may not stay where they are. `changed` are those
    .blends of it that are not any more what was traced.
    """

    bundle: Bundle
    missing: tuple[MissingFile, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    undefined_nodes: tuple[str, ...] = ()
    viewport_only: tuple[str, ...] = ()
    outside: tuple[Path, ...] = ()
    staged: frozenset[str] = frozenset()
    changed: tuple[str, ...] = ()

    def log(self) -> None:
        """Write all that is missing, left out or worth a warning to the log, however much it is."""
        _log.info("%d files, %d bytes are sent", len(self.bundle.files), self.bundle.total_bytes)
        for title, items in (
            ("missing", self.missing),
            ("left out", self.left_out),
            ("warning", self.warnings),
            ("note", self.bundle.notes),
            ("only the viewport needs", self.viewport_only),
        ):
            for item in items:
                _log.info("%s: %s", title, item)


class Choice:
    """Decides which of the files that were found are sent, by the rules and what `ignored` names."""

    def __init__(self, request: TraceRequest, *, ignored: GitIgnoreSpec) -> None:
        self._request = request
        self._ignored = ignored
        self._root = Path(os.path.realpath(request.project))
        self._staging = Path(os.path.realpath(request.staging))
        # Most files are in a few folders.
        self._place = cache(self._place_of)
        self._names_secret = cache(_names_secret)
        self._read: dict[Path, int] = {}
        self._files: list[BundleFile] = []
        self._left_out: list[LeftOut] = []
        self._staged: set[str] = set()
        self._outside: list[Path] = []
        self._noted: defaultdict[str, list[str]] = defaultdict(list)

    def traced(self, found: TraceResult) -> Traced:
        """Return what is sent of what was found, and all that is not, with why. To be called once."""
        self._read = {blend.path: blend.mtime_ns for blend in found.blends}
        for file in found.files:
            self._look_at(file)
        files = tuple(sorted(self._files, key=lambda file: file.name))
        outside = listed(_FROM_OUTSIDE, map(str, self._outside))
        bundle = Bundle(
            root=self._request.project,
            files=files,
            concerns=content_concerns(files),
            notes=(*outside, *(text for what, names in self._noted.items() for text in listed(what, names))),
        )
        return Traced(
            bundle=bundle,
            missing=found.missing,
            left_out=(*found.left_out, *self._left_out),
            warnings=(*found.warnings, *self._further_warnings(found)),
            undefined_nodes=self._undefined(found),
            viewport_only=found.viewport_only,
            outside=tuple(self._outside),
            staged=frozenset(self._staged),
        )

    def _further_warnings(self, found: TraceResult) -> tuple[str, ...]:
        scripts = () if self._request.autoexec else listed(_NOT_RUN, found.scripts)
        return (*scripts, *listed(_UNKNOWN, self._undefined(found)))

    def _undefined(self, found: TraceResult) -> tuple[str, ...]:
        """Return what no add-on that goes along knows either: the Blender that looked has none."""
        return tuple(name for name in found.undefined_nodes if name not in self._request.nodes)

    def _look_at(self, file: TracedFile) -> None:
        """Take a file, or say why not."""
        path = str(file.source)
        try:
            status = os.lstat(path)
            # A link's name must not hide what it leads to.
            is_link = stat.S_ISLNK(status.st_mode)
            real = os.path.realpath(path) if is_link else path
            status = file.source.stat() if is_link else status
            readable = stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK)
        except OSError:
            real, readable = path, False
        parent, base = os.path.split(real)
        folder, _, name = file.name.rpartition("/")
        place = self._place(parent)
        is_outside = file.name.startswith(OUTSIDE)
        if place.secret or is_secret(base) or is_secret(name) or self._names_secret(folder):
            self._noted[_PRIVATE].append(path if is_outside else file.name)
        elif not is_outside and file.name != self._request.name and self._ignored.match_file(file.name):
            self._noted[_IGNORED].append(file.name)
        elif not readable:
            self._left_out.append(LeftOut(owner=file.name, path=path, why="it cannot be read"))
        else:
            read = self._read.get(file.source)  # not of a copy in which paths were rewritten: that is nobody's to save
            self._files.append(BundleFile(source=file.source, name=file.name, size=status.st_size, mtime_ns=read))
            if place.staged:
                self._staged.add(file.name)
            if is_outside:
                self._outside.append(Path(file.name.removeprefix(OUTSIDE)) if place.staged else file.source)

    def _place_of(self, folder: str) -> _Place:
        real = Path(os.path.realpath(folder))
        if real.is_relative_to(self._staging):
            return _Place(staged=True, secret=False)
        # What is above the project may be called as it likes.
        parts = real.relative_to(self._root).parts if real.is_relative_to(self._root) else real.parts
        return _Place(staged=False, secret=any(map(is_secret, parts)))


class _Place(NamedTuple):
    """What is known of a folder of files: whether it holds rewritten copies, or is in one for keys and passwords."""

    staged: bool
    secret: bool


def _names_secret(folder: str) -> bool:
    return any(map(is_secret, folder.split("/")))
