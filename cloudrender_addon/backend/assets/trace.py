# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a Blender of this computer which files a .blend uses (tracing/trace.py); `traced.py` decides which are sent."""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path

from ..cancel import CancelToken
from ..errors import LocalBlenderError, ProjectError
from ..local_blender import LocalBlender
from .concerns import shown
from .rules import read_ignore_file
from .staging import alone_in, note_use, prune
from .trace_result import TracedBlend, TraceResult, read_result
from .traced import Choice, Traced, TraceRequest

SCRIPT = Path(__file__).resolve().parents[2] / "tracing" / "trace.py"

_DEADLINE_SECONDS = 600.0

_log = logging.getLogger(__name__)


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
            traced = Choice(request, ignored=ignored).traced(found)
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
