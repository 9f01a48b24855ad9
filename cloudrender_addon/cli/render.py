# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender [BLEND] …`: make a job from the command line and drive it."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..backend.assets.bundle import Bundle
from ..backend.aws.catalog import machine_type
from ..backend.aws.session import Account
from ..backend.cancel import CancelToken
from ..backend.clock import now
from ..backend.errors import NotOfferedError, SceneError, UsageError
from ..backend.farms.factory import open_account, open_farm
from ..backend.job.estimate import remembered_pace
from ..backend.job.frames import format_frames
from ..backend.job.log import log_to
from ..backend.job.output import check_output
from ..backend.job.record import JobRecord
from ..backend.job.spec import JobSpec, new_job_id
from ..backend.job.store import JobStore
from ..backend.job.there import frames_there
from ..backend.job.traced import keep_traced
from ..backend.jobs import blender_for, bundle_of, named
from ..backend.releases import OLDEST_BLENDER, check_released, series_of
from ..backend.scene import NEWEST_BLENDER, SceneInfo, read_scene
from ..backend.settings import Settings
from .arguments import check_no_command
from .display import Display
from .drive import drive
from .forecast import Forecasting
from .jobs import tidy_open_jobs
from .sending import Sending

_NEW_FORMAT, _READS_NEW_FORMAT = (5, 0), (4, 5)
"""The series that first writes another .blend format, and the first that reads it: Blender's release notes of 5.0."""

_LOCK_SECONDS = 10.0
"""Another start may look at the new job for a moment, to see whether it was left half-way."""


def render(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """Render as the arguments say; return the exit code."""
    here = Path.cwd()
    blend = choose_blend(arguments.blend, here)
    scene = read_scene(blend)
    # A script of the file may still make one.
    if not scene.has_picture and not arguments.enable_autoexec:
        raise SceneError(
            f"The scene of {blend.name} has no camera",
            hint="Add one with Add > Camera, make it active with View > Cameras, and save the file",
        )
    project = here if blend.is_relative_to(here) else blend.parent
    output = (here / arguments.output).resolve()
    check_output(output)
    store = JobStore(settings.home)
    frames = _frames(arguments, scene)
    if arguments.resume:
        frames = _missing(store, blend=blend, output=output, frames=frames, scene=scene, display=display)
        if not frames:
            return 0
    spec = JobSpec(
        job_id=new_job_id(),
        project=project,
        blend=blend.relative_to(project).as_posix(),
        frames=frames,
        output=output,
        blender=_blender(arguments.blender, scene, display),
        autoexec=arguments.enable_autoexec,
        settings=settings,
    )
    if scene.is_movie:
        display.say("The scene writes a movie: its frames are rendered as PNG stills")
    # Blender takes a second, and so does loading boto3: they do so side by side.
    with Sending(spec, own=arguments.own_blender, display=display, verbose=arguments.verbose) as sending:
        account = open_account(settings)
        _look_up_machine(account, settings)
        # An image of the user's own may have any Blender.
        if (arguments.blender or scene.saved_by > NEWEST_BLENDER) and settings.image in ("auto", "public"):
            _check_released(arguments.blender, spec)
        spec, traced = sending.settle(ask=not arguments.yes)
    spec = replace(spec, settings=named(spec.settings))
    tidy_open_jobs(store, display)
    folder = store.create(JobRecord(spec=spec, started=now()))
    display.say(f"Job {spec.job_id}: frame{'s' * (len(spec.frames) > 1)} {format_frames(spec.frames)} of {spec.blend}")
    with folder.lock(wait_seconds=_LOCK_SECONDS):
        if traced is not None:
            with log_to(folder.log):
                traced.log()
            keep_traced(folder, traced)
        farm = open_farm(spec.settings, account=account, keys=folder.keys)
        pace = partial(remembered_pace, store, blend=blend, instance_type=settings.instance_type)
        blender = partial(blender_for, spec, own=arguments.own_blender)

        def bundle(cancel: CancelToken) -> Bundle:
            return bundle_of(folder, spec, cancel=cancel, blender=blender)

        return drive(folder, farm=farm, bundle=bundle, display=Forecasting(display, pace=pace))


def _look_up_machine(account: Account, settings: Settings) -> None:
    """Find out whether such a machine exists, before anything is packed. Raises `ConfigError`, `CloudError`."""
    account.warm_up()
    if len(settings.regions) > 1:  # what one region does not have another may
        return
    missing = []
    for name in settings.instance_types:
        try:
            machine_type(account, name, on_demand=settings.purchase == "on-demand")
        except NotOfferedError as error:
            missing.append(error)
    # Any other of the types will do, and so may on-demand: that is for the job to deal with.
    if len(missing) == len(settings.instance_types) and settings.purchase != "spot-then-on-demand":
        raise missing[0]


def choose_blend(name: str | None, here: Path) -> Path:
    """Return the file that is meant: the one named, or the only one here. Raises `UsageError`, `SceneError`."""
    if name is not None:
        check_no_command(name, here)
        # Not resolved: a link in a project belongs to the project, wherever it leads.
        return Path(os.path.abspath(here / name))  # noqa: PTH100  resolve() would follow the link
    found = sorted(path for path in here.iterdir() if path.suffix == ".blend" and path.is_file())
    if len(found) == 1:
        return found[0]
    if not found:
        raise SceneError(f"There is no .blend file in {here}", hint="Run from the project's folder, or name the file")
    names = ", ".join(path.name for path in found)
    raise UsageError(f"There are several .blend files here: {names}", hint="Name one: cloudrender FILE.blend")


def _frames(arguments: argparse.Namespace, scene: SceneInfo) -> tuple[int, ...]:
    if arguments.frame is not None:
        return (int(arguments.frame),)
    if not arguments.animation:
        return (scene.frame_current,)
    start = scene.frame_start if arguments.start is None else arguments.start
    end = scene.frame_end if arguments.end is None else arguments.end
    if start > end:
        raise UsageError(f"The range {start} to {end} has no frames", hint="Give -s and -e so that -s is not after -e")
    return tuple(range(start, end + 1, scene.frame_step))


def _missing(
    store: JobStore, *, blend: Path, output: Path, frames: tuple[int, ...], scene: SceneInfo, display: Display
) -> tuple[int, ...]:
    """Return the frames that are not in the output folder yet, and say how many are."""
    there = frozenset(frames_there(store, blend=blend, output=output, frames=frames, extensions=scene.extensions))
    missing = tuple(frame for frame in frames if frame not in there)
    if not missing:
        display.say(f"{_of(len(there), len(frames))} in {output} already: nothing to render")
    elif there:
        display.say(f"{_of(len(there), len(frames))} in {output} already; rendering {len(missing)}")
    return missing


def _of(some: int, frames: int) -> str:
    if some == frames:
        return f"All {frames} frames are" if frames > 1 else "The frame is"
    return f"{some} of {frames} frames {'are' if some > 1 else 'is'}"


def _blender(version: str | None, scene: SceneInfo, display: Display) -> str:
    if version is not None:
        series = series_of(version)
        if scene.saved_by >= _NEW_FORMAT and series < _READS_NEW_FORMAT:
            saved_by = ".".join(map(str, scene.saved_by))
            raise UsageError(
                f"Blender {version} cannot open the file, which was saved by Blender {saved_by}",
                hint=f"Leave --blender out, or use {saved_by}",
            )
        return version
    if scene.saved_by < OLDEST_BLENDER:
        saved_by = ".".join(map(str, scene.saved_by))
        display.say(f"The file was saved by Blender {saved_by}: it is rendered with {scene.blender}")
    return scene.blender


def _check_released(version: str | None, spec: JobSpec) -> None:
    """Raise `UsageError` if the Blender that was asked for is not released, `SceneError` if the file's own is not."""
    try:
        check_released(spec.blender, mirror=spec.settings.mirror)
    except UsageError as error:
        if version is not None:
            raise
        newest = ".".join(map(str, NEWEST_BLENDER))
        raise SceneError(
            f"{spec.blend} was saved by Blender {spec.blender}, which is not released: {spec.settings.mirror} has none",
            hint=f"Save it with a released Blender, such as {newest}; from the day of its release it renders as it is",
        ) from error
