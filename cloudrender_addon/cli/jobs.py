# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that do something with a job already started: attach, fetch, cancel."""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from collections.abc import Set
from dataclasses import replace
from typing import Any

from ..backend.assets.bundle import Bundle
from ..backend.aws.inventory import END_SECONDS
from ..backend.baking.record import BuildStore
from ..backend.baking.tidying import end_left_build, tidy_builds
from ..backend.cancel import CancelToken
from ..backend.errors import BrokenFrameError, ProjectError, RecordError, TransferError
from ..backend.farms.link import Link
from ..backend.job import events as ev
from ..backend.job.collect import Collector
from ..backend.job.folder import JobFolder
from ..backend.job.frames import counted
from ..backend.job.handing_over import as_it_stands, load_settled
from ..backend.job.record import JobRecord
from ..backend.job.status import Status
from ..backend.job.store import JobStore
from ..backend.job.traced import is_traced, keep_traced, load_traced
from ..backend.jobs import bundle_of, complete, farm_of, missing_files, reopen, unaccepted
from ..backend.settings import Settings
from .display import Display
from .drive import drive, kept_lines
from .job_list import kept_line
from .sending import Sending

_CANCEL_WAIT_SECONDS = END_SECONDS + 60.0
"""The client that drives the job may take this long to see its machine gone."""

_LETTING_GO_SECONDS = 60.0
"""Blender may be in the middle of a call to the cloud, or take its time to quit."""

_LOOK_SECONDS = 1.0
"""Whoever lists the jobs, or cleans up, holds a job's lock for a moment to see whether it is driven."""

_FETCH_CONNECT_SECONDS = 30.0


def attach(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """Go on with a job: with its machine if it still has one, with a new one for its missing frames otherwise."""
    return drive_folder(JobStore(settings.home).find(arguments.job), display, keeper=arguments.hand_over)


def drive_folder(folder: JobFolder, display: Display, *, keeper: bool = False) -> int:
    """Drive a job to its end from wherever it stands; return the exit code. Raises `RecordError`.

    A `keeper` waits for the Blender that lets go of the job, and leaves it alone if somebody ended it meanwhile.
    """
    with folder.lock(wait_seconds=_LETTING_GO_SECONDS if keeper else _LOOK_SECONDS):
        record = load_settled(folder)
        if keeper and (not record.open or record.status is Status.KEPT):
            return 0
        if record.status is Status.KEPT:
            if kept := _kept_for_nothing_more(folder, record):
                for line in (_complete(folder.job_id, record), *kept_lines(folder.job_id, kept)):
                    display.say(line)
                return 0
            if not _is_kept(record) or complete(folder, record):
                display.say(f"Ending the machine that was kept for job {folder.job_id}")
                _drive(folder, record, display)
        if not reopen(folder, keeper=keeper):
            display.say(_complete(folder.job_id, record))
            return 0
        return _drive(folder, _settled(folder, folder.load(), display, ask=not keeper), display)


def _settled(folder: JobFolder, record: JobRecord, display: Display, *, ask: bool) -> JobRecord:
    """Find out what the job sends, if its client went before that was done; return the record that says so."""
    spec = record.spec
    if is_traced(folder):
        with contextlib.suppress(ProjectError, RecordError):  # its machine may have all of it: told when it is needed
            for note in load_traced(folder).bundle.notes:
                display.say(f"Note: {note}")
        return record
    if spec.settings.send == "folder":
        return record
    with Sending(spec, own=None, display=display, verbose=False) as sending:
        settled, traced = sending.settle(ask=ask)
    if traced is not None:
        if not ask and (missing := unaccepted(spec, traced)):
            raise missing_files(spec, missing)
        keep_traced(folder, traced)
    record = replace(record, spec=settled)
    folder.save(record)
    return record


def _is_kept(record: JobRecord) -> bool:
    return record.kept_until is not None and time.time() < record.kept_until


def _kept_for_nothing_more(folder: JobFolder, record: JobRecord) -> ev.KeptMachine | None:
    """Return the machine that is kept for a job with all its frames here: there is nothing to go on with."""
    machine, until = record.machine, record.kept_until
    if machine is None or until is None or not _is_kept(record) or not complete(folder, record):
        return None
    return ev.KeptMachine(machine=machine, until=until, login=farm_of(folder, record).login(machine))


def fetch(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """Fetch the frames finished so far and leave everything else as it is."""
    folder = JobStore(settings.home).find(arguments.job)
    with folder.lock(wait_seconds=_LOOK_SECONDS):
        record = load_settled(folder)
        collector = Collector(folder, frames=record.spec.frames, output=record.spec.output)
        if record.machine is not None and record.machine.instance_id is not None:
            cancel = CancelToken()
            deadline = time.monotonic() + _FETCH_CONNECT_SECONDS
            _, link = farm_of(folder, record).connect(record.machine, cancel=cancel, deadline=deadline)
            with contextlib.closing(link):
                events = link.snapshot()
                collector.expect(link, events)
                for event in events:
                    if event.get("event") == "frame":
                        _collect(collector, link, event, cancel, display)
            collector.settle()
    display.say(f"In {record.spec.output}: {len(collector.saved)} of {counted(len(record.spec.frames))}")
    return 0


def _collect(collector: Collector, link: Link, event: dict[str, Any], cancel: CancelToken, display: Display) -> None:
    try:
        if saved := collector.collect(link, event, cancel=cancel):
            display.say(f"Frame {saved.frame} is here")
    except (BrokenFrameError, TransferError) as broken:  # the others may be well
        display.say(broken.message)


def cancel(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """End a job, or the build of an image, whoever drives it, and see its machine gone."""
    build = BuildStore(settings.home).folder(arguments.job)
    if build.open:
        # As with a job: a client that drives it hears this, and undoes it; if there is none, that is done here.
        build.request_cancel()
        end_left_build(build, say=display.say, wait_seconds=_CANCEL_WAIT_SECONDS)
        display.say(f"Nothing of the image build {build.build_id} is left running")
        return 0
    folder = JobStore(settings.home).find(arguments.job)
    if not as_it_stands(folder, folder.load()).open:
        display.say(f"Job {folder.job_id} has ended already; nothing of it is left running")
        return 0
    folder.request_cancel()
    # Another client that drives the job hears the request and ends it; then, or if there is none, the lock is free.
    with folder.lock(wait_seconds=_CANCEL_WAIT_SECONDS):
        record = load_settled(folder)
        if record.open:
            _drive(folder, record, display, cancelled=True)
        record = folder.load()
    display.say(f"Job {folder.job_id}: {record.status.value}")
    return 1 if record.open else 0


def tidy_open_jobs(store: JobStore, display: Display, *, ended: Set[str] = frozenset()) -> None:
    """Finish the clean-up of jobs whose client died while ending them, or of what is `ended`; tell of others.

    `ended` are jobs by the tag of what was theirs. What builds of machine images have left is ended: nobody goes on
    with those.
    """
    tidy_builds(store.home, say=display.say)
    for folder in store.folders():
        try:
            with folder.lock():
                record = load_settled(folder)
                ending = record.status in (Status.CANCELLING, Status.CLEANING_UP) or bool(ended & tags_of(record))
                if not ending and record.kept_until is not None:
                    if time.time() < record.kept_until:
                        display.say(kept_line(folder.job_id, record.kept_until))
                        continue
                    ending = True
                if record.open and ending:
                    display.say(f"Ending what job {folder.job_id} had left running")
                    _drive(folder, record, display, cancelled=True)
                elif record.open:
                    machine = record.machine
                    price = f", and its machine costs ${machine.hourly_usd:.3f} an hour" if machine else ""
                    display.say(
                        f"Job {folder.job_id} was left half-way{price}: `cloudrender attach {folder.job_id}` goes on "
                        f"with it, `cloudrender cancel {folder.job_id}` ends it"
                    )
        except RecordError as error:
            logging.getLogger(__name__).info("job %s: %s", folder.job_id, error.message)


def tags_of(record: JobRecord) -> set[str]:
    """Return the jobs that what belongs to this one may be tagged with: a machine keeps the tags of its launch."""
    return {record.spec.job_id, *([record.machine.request.job_id] if record.machine else [])}


def _drive(folder: JobFolder, record: JobRecord, display: Display, *, cancelled: bool = False) -> int:
    farm = farm_of(folder, record)

    def bundle(cancel: CancelToken) -> Bundle:
        return bundle_of(folder, record.spec, cancel=cancel)

    return drive(folder, farm=farm, bundle=bundle, display=display, cancelled=cancelled)


def _complete(job_id: str, record: JobRecord) -> str:
    return f"Job {job_id} is complete; its frames are in {record.spec.output}"
