# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender check-snapshot`: a small frame of what would be sent, beside the same frame of the file itself."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..backend.assets.concerns import in_words
from ..backend.assets.traced import Traced
from ..backend.cancel import CancelToken
from ..backend.errors import ConfigError, LocalBlenderError
from ..backend.job.spec import JobSpec, new_job_id
from ..backend.jobs import blender_for, find_uses, scan_job
from ..backend.local_blender import LocalBlender
from ..backend.scene import read_scene
from ..backend.settings import Settings
from ..backend.snapshot_check import SnapshotCheck, check_snapshot, scratch_folder
from .display import Display, put
from .drive import stop_signals
from .render import choose_blend

_TITLE_WIDTH = 11


def check(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """Print what came of it; return 0 if the frames are identical, else 1."""
    here = Path.cwd()
    blend = choose_blend(arguments.blend, here)
    scene = read_scene(blend)
    project = here if blend.is_relative_to(here) else blend.parent
    spec = JobSpec(
        job_id=new_job_id(),
        project=project,
        blend=blend.relative_to(project).as_posix(),
        frames=(scene.frame_current,),
        output=(here / arguments.output).absolute(),
        blender=scene.blender,
        autoexec=False,
        settings=settings,
    )
    blender = blender_for(spec, own=arguments.own_blender)
    if blender is None:
        raise ConfigError(
            f"There is no Blender {scene.blender} on this computer to check with", hint="Name one with --local-blender"
        )
    cancel = CancelToken()
    with stop_signals(cancel), scratch_folder(settings.home) as scratch:
        traced = _trace(spec, blender, display, cancel=cancel)
        bundle = traced.bundle
        display.say(f"What is sent: {_counted(len(bundle.files))}, {in_words(bundle.total_bytes)}")
        result = check_snapshot(
            bundle,
            blend=spec.blend,
            open_file=blend,
            original=blend,
            blender=blender,
            output=spec.output,
            scratch=scratch,
            send=spec.settings.send,
            say=lambda text: display.say(f"{text} …"),
            cancel=cancel,
        )
    if arguments.json:
        print(json.dumps(_record(result, traced), ensure_ascii=False), flush=True)
    else:
        for title, text in _lines(result, traced):
            put(f"{title:<{_TITLE_WIDTH}} {text}", indent=_TITLE_WIDTH + 1) if title else put(text)
    return 0 if result.identical and not traced.missing else 1


def _trace(spec: JobSpec, blender: LocalBlender, display: Display, *, cancel: CancelToken) -> Traced:
    if spec.settings.send == "folder":
        return Traced(bundle=scan_job(spec))
    display.say(f"Looking for the files that {Path(spec.blend).name} uses …")
    try:
        return find_uses(spec, blender=blender, cancel=cancel)
    except LocalBlenderError as error:
        raise LocalBlenderError(
            f"It cannot be found out which files {spec.blend} uses: {error.message}",
            hint="Check all of the folder with --send folder, or name another Blender with --local-blender",
            details=error.details,
        ) from error


def _lines(result: SnapshotCheck, traced: Traced) -> Iterator[tuple[str, str]]:
    """Yield the result, and what there is to look at, each with its title."""
    if result.identical and traced.missing:
        missing = _counted(len(traced.missing))
        yield (
            "",
            f"Missing: {missing}, so as wrong here as there. Otherwise identical: {result.verdict.partition(': ')[2]}",
        )
        yield "", "  → Find them with File > External Data > Find Missing Files"
    else:
        yield "", result.verdict
    if result.hint:
        yield "", f"  → {result.hint}"
    pictures = {"Open file": result.open_file, "Bundle": result.bundle, "Difference": result.difference}
    yield from ((title, str(path)) for title, path in pictures.items() if path)
    yield from (("Outside", path) for path in result.reached)
    yield from (("Missing", str(file)) for file in traced.missing)
    yield from (("Not sent", str(file)) for file in traced.left_out)
    yield from (("Note", text) for text in (*traced.warnings, *traced.bundle.notes, *result.notes))


def _record(result: SnapshotCheck, traced: Traced) -> dict[str, Any]:
    return {
        "event": "snapshot_check",
        "identical": result.identical,
        "verdict": result.verdict,
        "hint": result.hint,
        "frame": result.frame,
        "differing": result.differing,
        "open_file": _text(result.open_file),
        "bundle": _text(result.bundle),
        "difference": _text(result.difference),
        "outside": result.reached,
        "missing": [vars(file) for file in traced.missing],
        "left_out": [vars(file) for file in traced.left_out],
        "warnings": [*traced.warnings, *traced.bundle.notes, *result.notes],
    }


def _counted(files: int) -> str:
    return f"{files:,} file{'s' * (files != 1)}"


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
