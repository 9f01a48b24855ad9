# SPDX-License-Identifier: GPL-3.0-or-later
"""What every face does with a job of this computer: find out what is sent, open its farm, make it ready to go on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .assets.addons import with_addons
from .assets.bundle import Bundle
from .assets.concerns import listed, shown
from .assets.project import scan_project
from .assets.staging import staging_folder
from .assets.trace import SCRIPT, trace
from .assets.trace_result import MissingFile
from .assets.traced import Traced, TraceRequest
from .cancel import CancelToken
from .clock import now
from .errors import LocalBlenderError, MissingFilesError, ProjectError
from .farms.base import Farm
from .farms.factory import open_account, open_farm
from .job.folder import JobFolder
from .job.record import JobRecord
from .job.spec import JobSpec
from .job.traced import is_traced, keep_traced, load_traced
from .local_blender import LocalBlender, find_blender
from .settings import Settings

_log = logging.getLogger(__name__)


def blender_for(spec: JobSpec, *, own: Path | None = None) -> LocalBlender | None:
    """Return a Blender of this computer that can open the job's file as the machine will; None if there is none.

    `own` is the Blender in which this runs. Raises `ConfigError` when the user names one that is of no use.
    """
    series = ".".join(spec.blender.split(".")[:2])
    return find_blender(series, explicit=spec.settings.local_blender, own=own)


def trace_job(
    spec: JobSpec,
    *,
    blender: LocalBlender,
    cancel: CancelToken,
    log: Path | None = None,
    script: Path = SCRIPT,
) -> Traced:
    """Find out which files the job's .blend uses; Blender's output goes to `log`.

    For the job's thread, once for each job, which sends them after `keep_traced`. Takes a second and more. Raises
    `MissingFilesError` for files that are not there unless the spec accepts that, `LocalBlenderError` when it cannot
    be found out (then `scan_job` may do), `ProjectError`, `Cancelled`, `Detached`.
    """
    traced = find_uses(spec, blender=blender, cancel=cancel, log=log, script=script)
    if missing := unaccepted(spec, traced):
        raise missing_files(spec, missing)
    return traced


def find_uses(
    spec: JobSpec,
    *,
    blender: LocalBlender,
    cancel: CancelToken,
    log: Path | None = None,
    script: Path = SCRIPT,
) -> Traced:
    """Do as `trace_job` does, but leave it to the caller to ask about files that are missing."""
    path, home = spec.project / spec.blend, spec.settings.home.absolute()
    try:
        staging = staging_folder(home)
    except OSError as error:
        raise LocalBlenderError(f"There is no place for copies of .blend files ({error})") from error
    request = TraceRequest(
        blend=spec.snapshot or path,
        # A file that was never saved is nowhere but in the job's own folder.
        original=None if path.is_relative_to(home / "jobs") else path,
        project=spec.project,
        name=spec.blend,
        staging=staging,
        autoexec=spec.autoexec,
        nodes=tuple(name for addon in spec.addons for name in addon.nodes),
    )
    return trace(request, blender=blender, cancel=cancel, log=log, script=script)


def unaccepted(spec: JobSpec, traced: Traced) -> tuple[MissingFile, ...]:
    """Return the missing files without which the job is not to be rendered unasked."""
    return tuple(file for file in traced.missing if file.path not in spec.accept_missing)


def missing_files(spec: JobSpec, missing: tuple[MissingFile, ...]) -> MissingFilesError:
    """Return the error that names these files."""
    [text] = listed(f"Missing files that {spec.blend} uses", map(str, missing))
    paths = tuple(dict.fromkeys(file.path for file in missing))
    return MissingFilesError(text.rstrip("."), paths=paths, details=tuple(map(str, missing)))


def bundle_of(
    folder: JobFolder,
    spec: JobSpec,
    *,
    cancel: CancelToken,
    blender: Callable[[], LocalBlender | None] | None = None,
) -> Bundle:
    """Return what the job sends, each file looked at anew: what was traced, else the project's folder.

    What a .blend uses that was saved since is found out once more, by the `blender` that this returns, or one of this
    computer. For the job's thread. Raises `ProjectError` when something of it is gone, `RecordError`, and as
    `trace_job` does.
    """
    if not is_traced(folder):
        return scan_job(spec)
    traced = load_traced(folder)
    if traced.changed:
        found = blender() if blender else blender_for(spec)
        if found is None:
            raise ProjectError(
                f"{shown(traced.changed[0])} changed since it was found out what it uses, and there is no Blender "
                f"{spec.blender} on this computer to look again",
                hint="Name one with --local-blender, or start a new render of the file",
            )
        _log.info("%s changed since it was traced: once more", traced.changed[0])
        traced = trace_job(spec, blender=found, cancel=cancel, log=folder.path / "trace.log")
        keep_traced(folder, traced)
    return with_addons(traced.bundle, spec.addons)


def scan_job(spec: JobSpec) -> Bundle:
    """Read the project's folder: all that is sent, which is never the output folder, nor the one used by default.

    Raises `ProjectError`.
    """
    outputs = (spec.output, spec.project / "out")
    bundle = with_addons(scan_project(spec.project, outputs=outputs, blend=spec.project / spec.blend), spec.addons)
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
        folder.save(record.anew(now()))
    folder.answer(keeper=keeper)
    return True
