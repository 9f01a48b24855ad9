# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Snapshot in the open Blender: a copy is saved, all else is done by Blenders in the background."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..backend.cancel import CancelToken
from ..backend.errors import Cancelled, CloudrenderError
from . import announce, check_images
from .background import in_background
from .own_blender import blender_of, own_blender
from .pump import apart
from .session import SESSION, Checked, Checking

if TYPE_CHECKING:
    from collections.abc import Callable

    from bpy.types import Context

    from ..backend.assets.traced import Traced
    from ..backend.job.spec import JobSpec
    from ..backend.local_blender import LocalBlender

KEY = "snapshot"
"""In `SESSION.busy` while a check is under way."""

_LEAVE_SECONDS = 2.0


def begin(context: Context) -> bool:
    """Save a copy of the open file, which blocks for one save, and begin to check it; False if a check is under way.

    Raises `CloudrenderError` and its kinds.
    """
    from ..backend.snapshot_check import scratch_folder  # noqa: PLC0415 - of no use before the first check
    from . import snapshot  # noqa: PLC0415
    from .preferences import settings_for  # noqa: PLC0415

    if KEY in SESSION.busy:
        return False
    own, checking = own_blender(), Checking()
    pictures = Path(bpy.app.tempdir) / "cloudrender-check"
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder(settings_for(context).home))
        spec = snapshot.make_check(context, scratch, output=pictures)
        if spec.settings.send == "folder":
            # What is sent has the paths as they are; what it is held against, paths that lead from where it lies.
            opened = scratch / "opened" / Path(spec.blend).name
            opened.parent.mkdir()
            snapshot.save_copy(opened, for_trace=True)
        else:
            opened = spec.snapshot or spec.project / spec.blend
        kept = stack.pop_all()
    SESSION.checking, SESSION.checked = checking, None

    def say(text: str) -> None:
        SESSION.inbox.put(lambda: _tell(checking, text))

    def work() -> Checked:
        try:
            with kept:
                return _check(spec, opened, scratch, own=own, say=say, cancel=checking.cancel)
        finally:
            checking.over.set()

    def failed(error: CloudrenderError) -> None:
        _take(Checked(blend=spec.blend, error=error))

    return in_background(KEY, work, then=_take, failed=failed)


def leave() -> None:
    """Give up the check that is under way, if any, within seconds."""
    if SESSION.checking is not None:
        SESSION.checking.cancel.cancel()
        SESSION.checking.over.wait(_LEAVE_SECONDS)


def _check(
    spec: JobSpec, opened: Path, scratch: Path, *, own: LocalBlender, say: Callable[[str], None], cancel: CancelToken
) -> Checked:
    from ..backend.snapshot_check import check_snapshot  # noqa: PLC0415 - see begin

    blender = blender_of(spec, own=own)
    say("Looking for the files it uses")
    traced = _trace(spec, blender, cancel)
    result = check_snapshot(
        traced.bundle,
        blend=spec.blend,
        open_file=opened,
        original=spec.project / spec.blend if spec.snapshot else None,
        blender=blender,
        output=spec.output,
        scratch=scratch,
        send=spec.settings.send,
        say=say,
        cancel=cancel,
    )
    left_out = (f"Not sent: {each}" for each in traced.left_out)
    return Checked(
        blend=spec.blend,
        result=result,
        missing=tuple(map(str, traced.missing)),
        notes=(*left_out, *traced.warnings, *traced.bundle.notes, *result.notes),
    )


def _trace(spec: JobSpec, blender: LocalBlender, cancel: CancelToken) -> Traced:
    from ..backend.assets.traced import Traced  # noqa: PLC0415 - see begin
    from ..backend.jobs import find_uses, scan_job  # noqa: PLC0415

    if spec.settings.send == "folder":
        return Traced(bundle=scan_job(replace(spec, output=spec.project / "out")))
    return find_uses(spec, blender=blender, cancel=cancel)


# -- on the main thread --------------------------------------------------------------------------------


def _tell(checking: Checking, text: str) -> None:
    checking.doing = text


def _take(checked: Checked) -> None:
    SESSION.checking = None
    if isinstance(checked.error, Cancelled):
        return
    SESSION.checked = checked
    if checked.error is not None:
        announce.say("ERROR", f"Check Snapshot: {checked.error.message}. {checked.error.hint}".strip())
        return
    if checked.result is not None:
        result = checked.result
        apart(lambda: check_images.show(result))
        level = "INFO" if checked.result.identical else "WARNING"
        announce.say(level, f"Check Snapshot: {checked.result.verdict}")
