# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that this Blender drives: start one, go on with one, let go of all."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ..backend.cancel import CancelToken, Wish
from ..backend.errors import Cancelled, CloudrenderError, ConfigError, Detached, RecordError
from ..backend.job.status import Status
from . import lookups, monitor
from .own_blender import blender_of, own_blender
from .sending import find_files
from .session import SESSION, DrivenJob

if TYPE_CHECKING:
    from ..backend.assets.bundle import Bundle
    from ..backend.job import events as ev
    from ..backend.job.folder import JobFolder
    from ..backend.job.record import JobRecord
    from ..backend.local_blender import LocalBlender

_LOCK_SECONDS = 2.0
"""Somebody may look at the job for a moment, to list it."""

_HANDOVER_SECONDS = 20.0
"""How long the background process that kept a job may take to let go of it: it hears of the wish within seconds."""

_LEAVE_SECONDS = 2.0

_log = logging.getLogger(__name__)


def drive(folder: JobFolder, record: JobRecord, *, saved: int = 0, shown: bool = True) -> DrivenJob:
    """Drive a job to its end on a thread of its own; `saved` of its frames are here already. For the main thread."""
    from ..backend.job.progress import Progress  # noqa: PLC0415 - slow to make, and of no use before the first job

    spec = record.spec
    progress = Progress(
        total=len(spec.frames),
        started=record.started if record.open else time.time(),
        done=saved,
        machine=record.machine,
        spent_usd=record.spent_usd,
    )
    job = DrivenJob(folder=folder, spec=spec, progress=progress, cancel=CancelToken(probe=folder.wish), shown=shown)
    own = own_blender()
    # A daemon: when Blender goes, it goes. The record and the machine's own switch do the rest.
    job.thread = threading.Thread(
        target=_body, args=(job, record.open, own), name=f"cloudrender {spec.job_id}", daemon=True
    )
    for other in [other for other in SESSION.driven.values() if other.ended is not None]:
        del SESSION.driven[other.spec.job_id]
    SESSION.driven[spec.job_id] = job
    SESSION.current = spec.job_id
    job.thread.start()
    monitor.wake()
    lookups.refresh_summaries()
    return job


def take_up(folder: JobFolder, record: JobRecord, *, shown: bool = True) -> DrivenJob:
    """Drive a job that was begun before, of whose frames some may be here. For the main thread."""
    return drive(folder, record, saved=len(folder.saved_frames(record.spec.output)), shown=shown)


def leave_all() -> tuple[DrivenJob, ...]:
    """Let go of every job that runs, within seconds; return them. Their machines go on."""
    running = SESSION.running
    for job in running:
        job.cancel.leave()
    deadline = time.monotonic() + _LEAVE_SECONDS
    for job in running:
        if job.thread is not None:
            job.thread.join(timeout=max(deadline - time.monotonic(), 0))
    return running


def _body(job: DrivenJob, was_open: bool, own: LocalBlender) -> None:
    """Be the job's thread: whatever happens, the last event is a `JobEnded`."""
    try:
        _run(job, was_open=was_open, own=own)
    except CloudrenderError as problem:
        _give_up(job, problem)
    except Exception as bug:  # noqa: BLE001  the thread's top: becomes the terminal event
        _give_up(job, CloudrenderError(f"Unexpected error: {type(bug).__name__}: {bug}", hint=f"Log: {job.folder.log}"))
    SESSION.inbox.put(lookups.refresh_summaries)


def _give_up(job: DrivenJob, error: CloudrenderError) -> None:
    try:
        job.folder.give_up(error)
    except RecordError:
        _log.info("job %s is somebody else's, or cannot be written", job.spec.job_id, exc_info=True)
    job.events.put(_not_driven(job, error))


def _run(job: DrivenJob, *, was_open: bool, own: LocalBlender) -> None:
    # Imported on this thread: boto3 and paramiko take a second.
    from .dependencies import check_dependencies  # noqa: PLC0415

    if problem := check_dependencies():  # before what needs them is imported
        raise ConfigError(problem.message, hint=problem.hint)
    from ..backend.job import events as ev  # noqa: PLC0415
    from ..backend.job.handing_over import load_settled  # noqa: PLC0415
    from ..backend.job.log import log_to  # noqa: PLC0415
    from ..backend.job.runner import JobRunner  # noqa: PLC0415
    from ..backend.jobs import bundle_of, farm_of, named, reopen  # noqa: PLC0415

    wait = _HANDOVER_SECONDS if job.folder.request_handover() else _LOCK_SECONDS
    with job.folder.lock(wait_seconds=wait), log_to(job.folder.log):
        record = load_settled(job.folder)
        if was_open and not record.open:
            job.events.put(_ended_meanwhile(job, record))
            return
        if record.open and job.folder.wish() is Wish.CANCEL:
            job.cancel.cancel()  # somebody wanted its end while nobody drove it
        reopen(job.folder)
        record = job.folder.load()
        record = replace(record, spec=replace(record.spec, settings=named(record.spec.settings)))
        job.folder.save(record)
        # Asked to stop meanwhile, the runner hears it, too, and ends the job or lets go of it as it should be.
        with contextlib.suppress(Cancelled, Detached):
            find_files(job.folder, record.spec, own=own, report=job.events.put, cancel=job.cancel)
        farm = farm_of(job.folder, record)

        def report(event: ev.Event) -> None:
            job.events.put(event)
            if isinstance(event, ev.MachineTakenOver):
                SESSION.inbox.put(lookups.refresh_summaries)  # the job that kept it is over now

        def bundle() -> Bundle:
            spec = record.spec
            return bundle_of(job.folder, spec, cancel=job.cancel, blender=lambda: blender_of(spec, own=own))

        JobRunner(job.folder, farm=farm, bundle=bundle, report=report, cancel=job.cancel).run()


def _ended_meanwhile(job: DrivenJob, record: JobRecord) -> ev.JobEnded:
    """Tell how the one ended it that had it before: it is not begun anew."""
    from ..backend.job import events as ev  # noqa: PLC0415 - see drive
    from ..backend.job.cost import cost_per_frame  # noqa: PLC0415

    saved = job.folder.saved_frames(record.spec.output)
    return ev.JobEnded(
        at=time.time(),
        status=record.status,
        error=None if record.status is Status.SUCCEEDED else CloudrenderError(record.error, hint=record.hint),
        frames=tuple(sorted(saved)),
        missing=tuple(frame for frame in record.spec.frames if frame not in saved),
        cost_usd=record.spent_usd,
        cost_per_frame_usd=cost_per_frame(record.spent_usd, frames=len(job.folder.brought())),
    )


def _not_driven(job: DrivenJob, error: CloudrenderError) -> ev.JobEnded:
    from ..backend.job import events as ev  # noqa: PLC0415 - see drive

    return ev.JobEnded(
        at=time.time(),
        status=Status.FAILED,
        error=error,
        frames=tuple(sorted(job.saved)),
        missing=tuple(frame for frame in job.spec.frames if frame not in job.saved),
        cost_usd=job.progress.cost_usd(time.time()),
    )
