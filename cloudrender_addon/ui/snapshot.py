# SPDX-License-Identifier: GPL-3.0-or-later
"""The open file as a job: a copy of it on disk, and what is to be rendered of it. The session stays as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..backend.clock import now
from ..backend.errors import ProjectError
from . import properties
from .own_blender import own_blender
from .preferences import settings_for

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.job.folder import JobFolder
    from ..backend.job.record import JobRecord
    from ..backend.job.spec import JobSpec

_UNSAVED = "untitled.blend"


def make_job(context: Context, *, animation: bool, accept_missing: tuple[str, ...] = ()) -> tuple[JobFolder, JobRecord]:
    """Copy the open file and the add-ons it needs into the folder of a new job; return the folder and its record.

    `accept_missing` are files that are known to be missing, and to be rendered without. Blocks for as long as one
    uncompressed save. Raises `CloudrenderError` and its kinds; then nothing is left behind.
    """
    # Not at the top: filelock and platformdirs are of no use before the first job.
    from ..backend.job.record import JobRecord  # noqa: PLC0415
    from ..backend.job.spec import new_job_id  # noqa: PLC0415
    from ..backend.job.store import JobStore  # noqa: PLC0415
    from .addons import needed_addons, take_along  # noqa: PLC0415 - of no use when enabling

    settings = settings_for(context)
    store = JobStore(settings.home)
    job_id = new_job_id()
    spec = _spec(
        context,
        job_id=job_id,
        folder=store.folder(job_id).path / "snapshot",
        frames=properties.frame_numbers(context.scene, animation=animation),
        output=_output(context, animation=animation),
        accept_missing=accept_missing,
    )
    record = JobRecord(spec=spec, started=now())
    folder = store.create(record)
    place = spec.snapshot or spec.project / spec.blend
    try:
        place.parent.mkdir(mode=0o700)
        save_copy(place, for_trace=settings.send == "used")
        if addons := take_along(needed_addons(context.scene), place.parent):
            record = replace(record, spec=replace(spec, addons=addons))
            folder.save(record)
    except (OSError, ProjectError) as error:
        import shutil  # noqa: PLC0415 - its own imports take milliseconds, and this is hardly ever needed

        shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(error, ProjectError):
            raise
        raise _no_room(place.parent, error) from error
    return folder, record


def make_check(context: Context, folder: Path, *, output: Path) -> JobSpec:
    """Save a copy of the open file into `folder`/snapshot, to be checked; return it as a job of the current frame.

    `output` is not rendered to. Blocks for as long as one uncompressed save. Raises `CloudrenderError` and its kinds.
    """
    frames = properties.frame_numbers(context.scene, animation=False)
    spec = _spec(context, job_id="check", folder=folder / "snapshot", frames=frames, output=output, accept_missing=())
    place = spec.snapshot or spec.project / spec.blend
    try:
        place.parent.mkdir(mode=0o700)
    except OSError as error:
        raise _no_room(place.parent, error) from error
    save_copy(place, for_trace=spec.settings.send == "used")
    return spec


def save_copy(place: Path, *, for_trace: bool) -> None:
    """Save a copy of the open file to a path. Raises `ProjectError`.

    With `for_trace` its paths lead from there to the user's files. Else they stay as they are, since the copy goes to
    the place of the original in the project's folder on the machine.
    """
    try:
        # Not compressed: that takes ten times as long.
        bpy.ops.wm.save_as_mainfile(
            filepath=str(place), copy=True, compress=False, relative_remap=for_trace, check_existing=False
        )
    except RuntimeError as error:
        raise _no_room(place.parent, error) from error


def _no_room(folder: Path, error: Exception) -> ProjectError:
    return ProjectError(f"The file cannot be copied to {folder} ({str(error).strip()})", hint="Make room on that disk")


def _spec(
    context: Context,
    *,
    job_id: str,
    folder: Path,
    frames: tuple[int, ...],
    output: Path,
    accept_missing: tuple[str, ...],
) -> JobSpec:
    """Describe the open file as a job with its snapshot in `folder`."""
    from ..backend.job.spec import JobSpec  # noqa: PLC0415 - see make_job

    settings = settings_for(context)
    if settings.local_blender is None:
        # Whoever goes on with the job before it is known what it uses asks this very Blender.
        settings = replace(settings, local_blender=own_blender().program)
    original = Path(bpy.data.filepath) if bpy.data.filepath else None
    place = folder / (original.name if original else _UNSAVED)
    return JobSpec(
        job_id=job_id,
        # A file that was never saved has no folder of its own: the snapshot is all there is to send.
        project=original.parent if original else place.parent,
        blend=original.name if original else place.name,
        frames=frames,
        output=output,
        blender=_blender(),
        # Scripts run there if they ran here.
        autoexec=not bpy.app.autoexec_fail,
        settings=settings,
        snapshot=place if original else None,
        accept_missing=accept_missing,
    )


def _blender() -> str:
    """Return the version to render with: this very one, or its series if it is not a release that can be fetched."""
    major, minor, patch = bpy.app.version
    exact = bpy.app.version_cycle == "release"
    return f"{major}.{minor}.{patch}" if exact else f"{major}.{minor}"


def _output(context: Context, *, animation: bool) -> Path:
    """Return the folder for the frames. Raises `ConfigError` for one that cannot be written to.

    Single images have a folder of their own: an image tried out must not replace a frame of the animation.
    """
    from ..backend.job.output import check_output  # noqa: PLC0415 - see make_job

    text = properties.output_folder(context)
    if text.startswith("//") and not bpy.data.filepath:
        folder = Path(bpy.app.tempdir).parent / "cloudrender"
    else:
        folder = Path(bpy.path.abspath(text))
    folder = (folder if animation else folder / "image").absolute()
    check_output(folder)
    return folder
