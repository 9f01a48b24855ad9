# SPDX-License-Identifier: GPL-3.0-or-later
"""The open file as a job: a copy of it on disk, and what is to be rendered of it. The session stays as it is."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..backend.clock import now
from ..backend.errors import ConfigError, ProjectError
from . import properties
from .preferences import settings_for

if TYPE_CHECKING:
    from bpy.types import Context

    from ..backend.job.folder import JobFolder
    from ..backend.job.record import JobRecord

_UNSAVED = "untitled.blend"


def make_job(context: Context, *, animation: bool) -> tuple[JobFolder, JobRecord]:
    """Copy the open file and the add-ons it needs into the folder of a new job; return the folder and its record.

    Blocks for as long as one uncompressed save. Raises `CloudrenderError` and its kinds; then nothing is left behind.
    """
    # Not at the top: filelock and platformdirs are of no use before the first job.
    from ..backend.job.record import JobRecord  # noqa: PLC0415
    from ..backend.job.spec import JobSpec, new_job_id  # noqa: PLC0415
    from ..backend.job.store import JobStore  # noqa: PLC0415
    from .addons import needed_addons, take_along  # noqa: PLC0415 - of no use when enabling

    settings = settings_for(context)
    store = JobStore(settings.home)
    job_id = new_job_id()
    original = Path(bpy.data.filepath) if bpy.data.filepath else None
    place = store.folder(job_id).path / "snapshot" / (original.name if original else _UNSAVED)
    frames = properties.frame_numbers(context.scene, animation=animation)
    output = _output(context, animation=animation)
    spec = JobSpec(
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
    )
    record = JobRecord(spec=spec, started=now())
    folder = store.create(record)
    try:
        place.parent.mkdir(mode=0o700)
        # Not compressed: that takes ten times as long. The paths stay as they are, since the copy goes to the place of
        # the original in the project's folder on the machine.
        bpy.ops.wm.save_as_mainfile(
            filepath=str(place), copy=True, compress=False, relative_remap=False, check_existing=False
        )
        if addons := take_along(needed_addons(context.scene), place.parent):
            record = replace(record, spec=replace(spec, addons=addons))
            folder.save(record)
    except (OSError, RuntimeError) as error:
        import shutil  # noqa: PLC0415 - its own imports take milliseconds, and this is hardly ever needed

        shutil.rmtree(folder.path, ignore_errors=True)
        raise ProjectError(
            f"The file cannot be copied to {place.parent} ({str(error).strip()})", hint="Make room on that disk"
        ) from error
    return folder, record


def _blender() -> str:
    """Return the version to render with: this very one, or its series if it is not a release that can be fetched."""
    major, minor, patch = bpy.app.version
    exact = bpy.app.version_cycle == "release"
    return f"{major}.{minor}.{patch}" if exact else f"{major}.{minor}"


def _output(context: Context, *, animation: bool) -> Path:
    """Return the folder for the frames, made now, so that no money is spent on frames that cannot be written.

    Single images have a folder of their own: an image tried out must not replace a frame of the animation.
    """
    text = properties.output_folder(context)
    if text.startswith("//") and not bpy.data.filepath:
        folder = Path(bpy.app.tempdir).parent / "cloudrender"
    else:
        folder = Path(bpy.path.abspath(text))
    folder = (folder if animation else folder / "image").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The output folder {folder} cannot be made ({error.strerror})",
            hint="Choose another one in the Frames panel",
        ) from error
    if not os.access(folder, os.W_OK):  # the one for files never saved may be another user's
        raise ConfigError(
            f"The output folder {folder} cannot be written to", hint="Choose another one in the Frames panel"
        )
    return folder
