# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension does when it is enabled and when it goes, beside being there."""

from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING

import bpy

from ..backend.errors import RecordError
from . import image_work, jobs, lookups, snapshot_check
from .background import in_background
from .preferences import jobs_home, preferences
from .session import SESSION, Session

if TYPE_CHECKING:
    from ..backend.job.folder import JobFolder
    from ..backend.job.record import JobRecord

_FIRST_LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


def register() -> None:
    """Look, once Blender is up, what earlier ones left to do."""
    _ignore_broken_pipes()
    if not bpy.app.background:
        bpy.app.timers.register(_first_look, first_interval=_FIRST_LOOK_SECONDS, persistent=True)


def unregister() -> None:
    """Let others go on with what runs, as Blender quits or the extension is disabled."""
    if bpy.app.timers.is_registered(_first_look):
        bpy.app.timers.unregister(_first_look)
    if SESSION.checking is not None:
        snapshot_check.leave()
    left = image_work.leave()
    end = bool(SESSION.running) and preferences().on_quit == "CANCEL"
    running = jobs.leave_all()
    if running or left:
        from . import keeper  # noqa: PLC0415 - its imports take longer than all else that enabling does

        for job in running:
            if not keeper.keep(job, end=end or job.cancelling):
                _log.warning("job %s goes on alone; resume it when Blender runs again", job.spec.job_id)
        if left and not keeper.end_build(left):
            _log.warning("the image build %s is ended when Blender runs again", left.build_id)
    vars(SESSION).update(vars(Session()))


def pick_up_open_jobs() -> None:
    """Go on with the jobs that an earlier Blender left half-way. For the start of Blender."""
    home = jobs_home()

    def find() -> list[tuple[JobFolder, JobRecord]]:
        from ..backend.job.store import JobStore  # noqa: PLC0415

        found = []
        for folder in JobStore(home).folders():
            try:
                record = folder.load()
            except RecordError:
                continue  # it is in the list of jobs, with what is wrong with it
            # One that another Blender or the command drives is theirs; a background process hands over.
            # A machine that is kept is to be looked at, and ends itself; later its record is closed.
            if record.kept_until is not None and time.time() < record.kept_until:
                continue
            if record.open and (folder.has_keeper() or not folder.locked()):
                found.append((folder, record))
        return found

    def take(found: list[tuple[JobFolder, JobRecord]]) -> None:
        for folder, record in found:
            if folder.job_id not in SESSION.driven:
                jobs.take_up(folder, record, shown=False)
        lookups.refresh_summaries()

    in_background("pick up", find, then=take, failed=lambda _error: None)


def _ignore_broken_pipes() -> None:
    """Let a connection that breaks be an error in Python.

    The Blender application leaves SIGPIPE as the system sets it (measured: 4.3.2 ends without a word at the first
    write to a closed socket); every other Python ignores it from its start.
    """
    broken_pipe = getattr(signal, "SIGPIPE", None)  # Windows has none
    if broken_pipe is not None and signal.getsignal(broken_pipe) is signal.SIG_DFL:
        signal.signal(broken_pipe, signal.SIG_IGN)


def _first_look() -> None:
    lookups.refresh_profiles()
    if bpy.app.online_access:
        pick_up_open_jobs()
        image_work.tidy()
        if preferences().setup_done:
            lookups.refresh_quotes(bpy.context)
    else:
        lookups.refresh_summaries()
