# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a job sends: found out once by this Blender in the background, before anything is rented."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..backend.cancel import CancelToken
from ..backend.errors import CloudrenderError, LocalBlenderError, MissingFilesError
from ..backend.job.status import Status
from .own_blender import blender_of, own_blender

if TYPE_CHECKING:
    from ..backend.job import events as ev
    from ..backend.job.folder import JobFolder
    from ..backend.job.record import JobRecord
    from ..backend.job.spec import JobSpec
    from ..backend.local_blender import LocalBlender

_LOCK_SECONDS = 2.0
"""Somebody may look at the job for a moment, to list it."""


def prepare(folder: JobFolder, *, accept_missing: bool) -> None:
    """Find out, here and now, which files a job sends. Raises `CloudrenderError`; then the job is over."""
    from ..backend.job.log import log_to  # noqa: PLC0415 - of no use before the first job
    from ..cli.drive import stop_signals  # noqa: PLC0415

    cancel = CancelToken(probe=folder.wish)
    try:
        with folder.lock(wait_seconds=_LOCK_SECONDS), log_to(folder.log), stop_signals(cancel):
            spec, own = folder.load().spec, own_blender()
            try:
                find_files(folder, spec, own=own, report=lambda _: None, cancel=cancel)
            except MissingFilesError as error:
                if not accept_missing:
                    raise
                accepting = accept(folder, error.paths)
                find_files(folder, accepting.spec, own=own, report=lambda _: None, cancel=cancel)
    except CloudrenderError as error:
        folder.give_up(error)
        raise


def accept(folder: JobFolder, missing: tuple[str, ...]) -> JobRecord:
    """Note that a job is to be rendered without these files; return its record. Raises `RecordError`."""
    record = folder.load()
    spec = replace(record.spec, accept_missing=tuple(dict.fromkeys((*record.spec.accept_missing, *missing))))
    record = replace(record, spec=spec)
    folder.save(record)
    return record


def find_files(
    folder: JobFolder, spec: JobSpec, *, own: LocalBlender, report: ev.Reporter, cancel: CancelToken
) -> None:
    """Find out which files the job's .blend uses, and note them in its folder, unless that is done.

    For the holder of the folder's lock, on any thread. Raises `MissingFilesError`, `CloudrenderError`.
    """
    from ..backend.job import events as ev  # noqa: PLC0415 - see prepare
    from ..backend.job.traced import is_traced, keep_traced  # noqa: PLC0415
    from ..backend.jobs import trace_job  # noqa: PLC0415

    if spec.settings.send == "folder" or is_traced(folder) or folder.load().machine is not None:
        return
    report(ev.StatusChanged(at=time.time(), status=Status.PACKING))
    report(ev.Notice(at=time.time(), text="Looking for the files it uses"))
    try:
        traced = trace_job(spec, blender=blender_of(spec, own=own), cancel=cancel, log=folder.path / "trace.log")
    except LocalBlenderError as error:
        raise LocalBlenderError(
            f"It cannot be found out which files {spec.blend} uses: {error.message}",
            hint=error.hint or "Choose Send: Whole Project Folder in the Files panel",
            details=error.details,
        ) from error
    traced.log()
    keep_traced(folder, traced)
    report(
        ev.FilesTraced(
            at=time.time(),
            files=len(traced.bundle.files),
            size=traced.bundle.total_bytes,
            outside=traced.outside,
            missing=traced.missing,
            left_out=traced.left_out,
            warnings=traced.warnings,
        )
    )
