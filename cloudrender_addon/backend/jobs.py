# SPDX-License-Identifier: GPL-3.0-or-later
"""What every face does with a job of this computer: read what is sent, open its farm, make it ready to go on."""

from __future__ import annotations

import os
from dataclasses import replace

from .assets.bundle import Bundle
from .assets.project import scan_project
from .clock import now
from .errors import ProjectError
from .farms.base import Farm
from .farms.factory import open_account, open_farm
from .job.folder import JobFolder
from .job.record import JobRecord
from .job.spec import JobSpec
from .job.status import Status
from .settings import Settings


def scan_job(spec: JobSpec) -> Bundle:
    """Read the project's folder: all that is sent, which is never the output folder, nor the one used by default.

    Raises `ProjectError`.
    """
    outputs = (spec.output, spec.project / "out")
    bundle = scan_project(spec.project, outputs=outputs, blend=spec.project / spec.blend)
    if spec.snapshot is None:
        return bundle
    try:
        return bundle.with_source(spec.blend, spec.snapshot)
    except OSError as error:
        raise ProjectError(
            f"The snapshot of {spec.blend} is gone ({error.strerror})", hint="Start a new render of the file"
        ) from error


def farm_of(folder: JobFolder, record: JobRecord) -> Farm:
    """Return the farm that the job was made for; nothing is asked of it yet."""
    settings = record.spec.settings
    return open_farm(settings, account=open_account(settings), keys=folder.keys)


def named(settings: Settings) -> Settings:
    """Return the settings with profile and region spelled out. Raises `ConfigError`.

    Whoever goes on with the job, from whatever shell and after whatever change of a default, must look there too.
    """
    profile = settings.profile or os.environ.get("AWS_PROFILE")
    return replace(settings, profile=profile, region=settings.region or open_account(settings).region)


def complete(folder: JobFolder, record: JobRecord) -> bool:
    """Tell whether every frame of the job is on this computer's disk."""
    return len(folder.saved_frames(record.spec.output)) == len(record.spec.frames)


def reopen(folder: JobFolder, *, keeper: bool = False) -> bool:
    """Make a job ready to be driven to its end; False if there is nothing to do, as all of its frames are here.

    For the holder of the folder's lock. A `keeper` lets go of the job when another client asks for it.
    """
    record = folder.load()
    if not record.open:
        if complete(folder, record):
            return False
        fresh = replace(record, status=Status.PENDING, started=now(), ended=None, launches=0)
        folder.save(replace(fresh, failed_frames={}, suspects=()))
    folder.answer(keeper=keeper)
    return True
