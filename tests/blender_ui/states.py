# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender, the extension being enabled: the states in which panels are drawn, by name."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
from enabled import part

ev, errors = part("backend.job.events"), part("backend.errors")
Progress, Status = part("backend.job.progress").Progress, part("backend.job.status").Status
JobSummary, Pace = part("backend.job.summary").JobSummary, part("backend.job.estimate").Pace
MachineTiming = part("backend.job.timing").MachineTiming
Quote = part("backend.farms.quotes").Quote
check, base = part("backend.farms.check"), part("backend.farms.base")
snapshot_check = part("backend.snapshot_check")
machine_images, image_texts = part("backend.aws.machine_images"), part("ui.image_texts")
CancelToken = part("backend.cancel").CancelToken
session = part("ui.session")
SESSION = session.SESSION
NOW = time.time()
QUOTES = {
    "g4dn.xlarge": Quote(spot_usd=0.21, on_demand_usd=0.526, extras_usd=0.02),
    "g6.xlarge": Quote(spot_usd=None, on_demand_usd=0.805, extras_usd=0.02),
}
MACHINE = base.Machine(
    request=base.MachineRequest(
        job_id="j1", token="t", instance_types=("g4dn.xlarge",), disk_bytes=1, lifetime_seconds=7200, lease_seconds=60
    ),
    region="us-east-1",
    offers=(
        base.Offer(
            instance_type="g4dn.xlarge", image_id="ami-1", root_device="/dev/sda1", volume_gb=100, vcpus=4,
            gpu="NVIDIA T4", machine_usd=0.2, disk_usd=0.01, address_usd=0.005, lifetime_seconds=7200,
        ),
    ),
    ssh_user="ubuntu", ssh_port=22, host_key="", zone="us-east-1b", launched_at=NOW - 300, instance_id="i-1",
)  # fmt: skip
PROGRESS = Progress(total=24, started=NOW - 600, machine=MACHINE)
TIMING = MachineTiming(
    instance_id="i-1",
    instance_type="g4dn.xlarge",
    image_id="ami-0123456789abcdef0",
    image_origin="public",
    blender_from="download",
    began=NOW - 300,
    seconds={"running": 12.0, "answers": 25.0, "agent": 26.0, "files": 28.0, "blender": 61.0},
)
RENDERED = replace(TIMING, seconds={**TIMING.seconds, "first_sample": 70.5, "first_frame": 170.0})
KEPT_TIMING = replace(
    TIMING,
    instance_id="i-2",
    image_origin="own",
    kept_by="j1",
    blender_from="download",
    seconds={"agent": 0.4, "blender": 0.9, "files": 0.8, "first_sample": 2.5},
)
SUMMARY = JobSummary(
    job_id="j1", status=Status.SUCCEEDED, started=NOW - 7200, frames=24, saved=24, brought=24, pace=Pace(seconds=20.0),
    cost_usd=0.12, blend=Path("/p/robot.blend"), output=Path("/p/out"), instance_type="g4dn.xlarge",
    timings=(RENDERED,),
)  # fmt: skip
SUMMARIES = (
    SUMMARY,
    replace(
        SUMMARY,
        job_id="j2",
        status=Status.FAILED,
        saved=12,
        error="Blender crashed on frame 13",
        timings=(replace(RENDERED, image_origin="own", blender_from="image"), KEPT_TIMING),
    ),
    replace(SUMMARY, job_id="j3", status=Status.RENDERING, saved=2, open=True, timings=()),
    replace(SUMMARY, job_id="j4", status=Status.RENDERING, saved=2, open=True, driven=True),
    replace(SUMMARY, job_id="j5", status=Status.CANCELLED, saved=0, cost_usd=0.004),
    JobSummary(job_id="j6", status=None, error="The record is damaged", hint="Delete its folder"),
)


def reset() -> None:
    """Be a Blender that has just started, with everything known."""
    vars(SESSION).update(vars(session.Session()))
    SESSION.quotes = dict(QUOTES)
    SESSION.summaries = SUMMARIES
    choose("j1")
    settings = bpy.context.scene.cloudrender
    settings.frames, settings.custom_frames, settings.machine_type, settings.more_types = "SCENE", "", "", ""
    bpy.context.scene.frame_end = 24
    part("ui.preferences").preferences().setup_done = True
    bpy.context.preferences.system.use_online_access = True


def choose(job_id: str) -> None:
    part("ui.jobs_panel").mirror_jobs()
    jobs = bpy.context.window_manager.cloudrender
    jobs.chosen = [row.name for row in jobs.rows].index(job_id)


def drive(progress: Any, *, notices: tuple[str, ...] = ()) -> Any:
    spec = SimpleNamespace(
        job_id="j3",
        frames=tuple(range(1, 25)),
        output=Path("/p/out"),
        settings=SimpleNamespace(instance_types=("g4dn.xlarge", "g5.xlarge")),
    )
    job = session.DrivenJob(
        folder=SimpleNamespace(), spec=spec, progress=progress, cancel=CancelToken(), notices=list(notices)
    )
    SESSION.driven["j3"], SESSION.current = job, "j3"
    choose("j3")
    return job


def phase(status: Any, **fields: Any) -> Callable[[], None]:
    return lambda: drive(replace(PROGRESS, status=status, **fields))


def starting_up() -> None:
    """Be where Blender is there and its first sample is not; an earlier machine of the job was lost."""
    job = drive(replace(PROGRESS, status=Status.RENDERING))
    lost = replace(TIMING, instance_id="i-0", seconds={"running": 12.0})
    job.timed = {timing.key: timing for timing in (lost, TIMING)}


def cancelling() -> None:
    drive(replace(PROGRESS, status=Status.RENDERING)).cancel.cancel()


def ended(status: Any, error: Any = None, *, frames: int, kept: Any = None) -> Callable[[], None]:
    def set_up() -> None:
        drive(replace(PROGRESS, status=status)).ended = ev.JobEnded(
            at=NOW,
            status=status,
            error=error,
            frames=tuple(range(1, frames + 1)),
            missing=(),
            cost_usd=0.12,
            cost_per_frame_usd=0.12 / frames if frames else None,
            kept=kept,
        )

    return set_up


def set_scene(**fields: Any) -> Callable[[], None]:
    def set_up() -> None:
        for name, value in fields.items():
            setattr(bpy.context.scene.cloudrender, name, value)

    return set_up


def offline() -> None:
    bpy.context.preferences.system.use_online_access = False
    assert not bpy.app.online_access


def not_set_up() -> None:
    part("ui.preferences").preferences().setup_done = False


def rendered_before() -> None:
    """Be in a file that was never saved, of which a job is known (saving one prints its path)."""
    SESSION.summaries = (replace(SUMMARY, blend=Path(bpy.data.filepath)),)
    part("ui.jobs_panel").mirror_jobs()


def set_session(**fields: Any) -> Callable[[], None]:
    return lambda: vars(SESSION).update(fields)


def checking() -> None:
    part("ui.preferences").preferences().setup_done = False
    states = check.CheckState
    SESSION.checks = tuple(
        check.CheckResult(name=state.name, state=state, text=f"Found {state}", hint="Do this" if state != "ok" else "")
        for state in (states.OK, states.WARNING, states.FAILED, states.SKIPPED)
    )
    SESSION.checks += (check.CheckResult(name="Quota", state=states.FAILED, text="0 vCPUs", hint="Ask for more"),)
    SESSION.busy = frozenset({"check", "quotes", "profiles", "summaries"})


CRASH = errors.RenderError(
    "Blender crashed while it rendered frame 13", hint="Render that frame on this computer to see why"
)
STILL = errors.CleanupError(
    "i-123 could not be seen gone", resources=("i-123",), hint="It is tried again at the next start"
)
KEPT = ev.KeptMachine(machine=MACHINE, until=NOW + 600, login="ssh ubuntu@203.0.113.7")
GONE = errors.MissingFilesError(
    "Missing files that robot.blend uses: image Wood (/p/tex/wood.png)",
    paths=("/p/tex/wood.png",),
    details=("image Wood (/p/tex/wood.png)",),
)


def checked(**fields: Any) -> Callable[[], None]:
    """Be in the state after a check that came to this result."""
    result = snapshot_check.SnapshotCheck(frame=7, open_file=Path("/t/open-file.png"), bundle=Path("/t/bundle.png"))
    return set_session(
        checked=session.Checked(
            blend="robot.blend",
            result=replace(result, **fields),
            missing=("image Wood (/p/wood.png)",),
            notes=("Cloth is not baked",),
        )
    )


IMAGE = machine_images.MachineImage(
    id="ami-2", name="n", region="us-east-1", state="available", reason="", job_id="", size_gb=87,
    snapshots=("snap-2",),
    contents=machine_images.Contents(kind="g", blender=("4.2.23",), driver="580.95.05"), created=NOW - 7200,
)  # fmt: skip
IMAGES = (
    replace(IMAGE, id="ami-1", created=NOW - 200 * 86_400),
    IMAGE,
    replace(IMAGE, id="ami-3", job_id="image-1", state="pending", created=None),
    replace(IMAGE, id="ami-4", state="failed", reason="Client.InternalError"),
)
BEHIND = {"ami-2": part("backend.aws.image_sharing").Behind(key=None, accounts=("123456789012",), stored_gb=31.0)}
BUILT = session.Baked(title="Image Ready", lines=("ami-2 in us-east-1 cost $0.12",), image=IMAGE)
NOT_BUILT = image_texts.failed("Image Build", errors.GpuError("NVML: mismatch", hint="Try again", details=("a", "b")))


def baking(*, cancelled: bool = False) -> None:
    """Be in the middle of a build."""
    SESSION.baking = session.Baking(title="Image Build", began=NOW - 300, doing="Preparing Blender", since=NOW - 60)
    SESSION.busy = frozenset({session.IMAGE_WORK})
    SESSION.images = IMAGES
    if cancelled:
        SESSION.baking.cancel.cancel()


STATES: dict[str, Callable[[], Any]] = {
    "idle": lambda: None,
    "offline": offline,
    "not set up": not_set_up,
    "no quotes": set_session(quotes={}, quotes_error="Your profile may not ask for prices"),
    "rendered before": rendered_before,
    "no jobs": lambda: (set_session(summaries=())(), part("ui.jobs_panel").mirror_jobs()),
    "checking": checking,
    "a machine of the user's own choice": set_scene(machine_type="x2iedn.xlarge"),
    "on demand": set_scene(machine_type="g6.xlarge", purchase="SPOT_THEN_ON_DEMAND"),
    "any of several machines": set_scene(machine_type="g6.xlarge", more_types="g5.xlarge, x2iedn.xlarge"),
    "custom frames": set_scene(frames="CUSTOM", custom_frames="1-50, 60, 70-90x2"),
    "unusable frames": set_scene(frames="CUSTOM", custom_frames="10-1"),
    **{status.value: phase(status) for status in Status if not status.terminal},
    "half sent": phase(Status.UPLOADING, sent=50, to_send=100),
    "half done": phase(Status.RENDERING, done=12, rendering_since=NOW - 240),
    "half done with large frames": phase(
        Status.RENDERING, done=12, rendering_since=NOW - 240, received=12 * 10**9, weighed=12
    ),
    "interrupted": lambda: drive(replace(PROGRESS, status=Status.RECOVERING, machine=None), notices=("Taken away",)),
    "starting up": starting_up,
    "canceling": cancelling,
    "success": ended(Status.SUCCEEDED, frames=24),
    "kept": ended(Status.FAILED, CRASH, frames=12, kept=KEPT),
    "partial": ended(Status.FAILED, CRASH, frames=12),
    "failure": ended(Status.FAILED, CRASH, frames=0),
    "canceled": ended(Status.CANCELLED, errors.Cancelled(), frames=3),
    "not cleaned up": ended(Status.CLEANING_UP, STILL, frames=24),
    "files missing": ended(Status.FAILED, GONE, frames=0),
    "looking for files": lambda: drive(
        replace(PROGRESS, status=Status.PACKING, machine=None), notices=("Looking for the files it uses",)
    ),
    "checking the snapshot": set_session(checking=session.Checking(doing="Rendering a small frame of the open file")),
    "snapshot identical": checked(differing=0.0),
    "snapshot different": checked(differing=0.12, difference=Path("/t/difference.png")),
    "snapshot reaches out": checked(differing=0.0, reached=("/tex/wood.png",)),
    "snapshot without picture": checked(reason="The scene has no camera", hint="Set the scene's camera", bundle=None),
    "snapshot not checked": set_session(checked=session.Checked(blend="robot.blend", error=STILL)),
    "no images": set_session(images=()),
    "images": set_session(images=IMAGES, behind=BEHIND),
    "image under way": baking,
    "image canceled": lambda: baking(cancelled=True),
    "image built": set_session(images=IMAGES, baked=BUILT),
    "image not built": set_session(images=IMAGES, baked=NOT_BUILT),
    "handed over": ended(Status.RENDERING, errors.Detached(), frames=3),
    **{f"job {name} chosen": (lambda name=name: choose(name)) for name in ("j1", "j2", "j3", "j4", "j5", "j6")},
}  # fmt: skip
