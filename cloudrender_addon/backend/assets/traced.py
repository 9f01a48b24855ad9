# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a .blend uses, as a bundle: a Blender of this computer is asked for them, `rules.py` has its say."""

from __future__ import annotations

import json
import logging
import os
import stat
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from ..cancel import CancelToken
from ..errors import LocalBlenderError, ProjectError
from ..local_blender import LocalBlender
from .bundle import Bundle, BundleFile
from .concerns import content_concerns, listed, shown
from .rules import IGNORE_FILE, is_secret, read_ignore_file
from .staging import alone_in, note_use, prune
from .trace_result import LeftOut, MissingFile, TracedBlend, TracedFile, TraceResult, read_result

SCRIPT = Path(__file__).resolve().parents[2] / "tracing" / "trace.py"

OUTSIDE = "_outside/"
"""Where in the bundle files from outside the project are."""

_DEADLINE_SECONDS = 600.0

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


def trace(
    request: TraceRequest,
    *,
    blender: LocalBlender,
    cancel: CancelToken,
    log: Path | None = None,
    script: Path = SCRIPT,
) -> Traced:
    """Ask Blender which files the .blend uses, and return those that are sent; its output goes to `log`.

    A .blend that is saved meanwhile is looked through once more. Takes a second and more, ten minutes at most. Raises
    `LocalBlenderError`, `ProjectError` (it is saved again and again, the ignore file is damaged), `Cancelled`,
    `Detached`.
    """
    ignored = read_ignore_file(request.project)
    _log.info("asking %s (Blender %s) what %s uses", blender.program, blender.series, request.blend)
    try:
        with alone_in(request.staging, seconds=_DEADLINE_SECONDS, cancel=cancel):
            found = _ask(request, blender=blender, cancel=cancel, log=log, script=script)
            if saved := _saved_meanwhile(found):
                _log.info("%s was saved meanwhile: once more", saved[0].path)
                found = _ask(request, blender=blender, cancel=cancel, log=log, script=script)
                _check_unchanged(found)
            traced = _Choice(request, ignored=ignored).traced(found)
            for file in traced.bundle.files:
                if file.name in traced.staged:
                    note_use(file.source)
            prune(request.staging)
    except OSError as error:
        raise LocalBlenderError(f"Blender cannot be asked what the file uses ({error})") from error
    return traced


def _saved_meanwhile(found: TraceResult) -> tuple[TracedBlend, ...]:
    """Return the .blends that may not be any more what was read: what they use may be something else."""
    return tuple(blend for blend in found.blends if not blend.is_unchanged())


def _check_unchanged(found: TraceResult) -> None:
    if saved := _saved_meanwhile(found):
        raise ProjectError(
            f"{shown(saved[0].name)} changes while it is looked through",
            hint="Leave the project's files alone until they are sent, then try again.",
        )


def _ask(
    request: TraceRequest, *, blender: LocalBlender, cancel: CancelToken, log: Path | None, script: Path
) -> TraceResult:
    with tempfile.TemporaryDirectory(prefix="cloudrender-") as scratch:
        result, question = Path(scratch) / "result.json", Path(scratch) / "request.json"
        question.write_text(json.dumps(_request(request, result)), encoding="utf-8")
        log = log or Path(scratch) / "blender.log"
        try:
            blender.run(script, str(question), log=log, seconds=_DEADLINE_SECONDS, cancel=cancel)
        except LocalBlenderError:
            if result.exists():  # it may say more of the cause
                read_result(result, blend=request.name)
            raise
        return read_result(result, blend=request.name)


def _request(request: TraceRequest, result: Path) -> dict[str, object]:
    return {
        "blend": str(request.blend),
        "original": str(request.original) if request.original else None,
        "project": str(request.project),
        "name": request.name,
        "staging": str(request.staging),
        "result": str(result),
    }


class _Choice:
    """Decides which of the files that were found are sent."""

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
