# SPDX-License-Identifier: GPL-3.0-or-later
"""A job whose Blender goes is carried on, or ended, by a process in the background; the next Blender takes it over."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloudrender_addon.backend.job.folder import JobFolder
from tests.cloud.command import wait_for
from tests.extension.blender_host import VERSIONS
from tests.extension.scripting import Scripting
from tests.localcloud.cloud import Cloud
from tests.localcloud.machine import Machine

pytestmark = pytest.mark.blender

FRAMES = 40

START = """
jobs, session, snapshot = part("ui.jobs"), part("ui.session"), part("ui.snapshot")
bpy.context.scene.frame_end = {frames}
job = jobs.drive(*snapshot.make_job(bpy.context, animation=True))
pump_until(lambda: job.progress.done >= 2)
"""
"""What Render does in a Blender with a window."""

LOOKING = """
jobs, session, snapshot = part("ui.jobs"), part("ui.session"), part("ui.snapshot")
bpy.context.scene.frame_end = 3
job = jobs.drive(*snapshot.make_job(bpy.context, animation=True))
pump_until(lambda: job.notices)
assert job.notices == ["Looking for the files it uses"], job.notices
"""
"""What Render does in the first second."""

QUIT = """
quit_blender()
answer = job.spec.job_id
"""

UNINSTALL = """
names = [repo.module for repo in bpy.context.preferences.extensions.repos]
bpy.ops.extensions.package_uninstall(repo_index=names.index("user_default"), pkg_id="cloudrender")
answer = str(job.folder.path)
"""

PICK_UP = """
session = part("ui.session").SESSION
part("ui.startup").pick_up_open_jobs()
pump_until(lambda: session.job is not None)
job = session.job
done = job.progress.done
pump_until(lambda: job.ended is not None)
answer = [done, job.ended.status.value, str(job.ended.error)]
"""


def start(frames: int) -> str:
    return START.format(frames=frames)


def rendered(cloud: Cloud) -> int:
    """How many frames all machines have finished: more than arrived means work done twice."""
    return sum(machine.frames for machine in cloud.machines)


@dataclass
class Hold:
    """Holds the first machine's Blender after two frames, so that it is midway however long the client takes."""

    held: list[int] = field(default_factory=list)

    def hold(self, machine: Machine) -> None:
        self.held += [pid for pid in machine.processes() if is_blender(pid)]
        for pid in self.held:
            os.kill(pid, signal.SIGSTOP)

    def release(self) -> None:
        assert self.held, "it was let go of midway"
        for pid in self.held:
            os.kill(pid, signal.SIGCONT)


def is_blender(pid: int) -> bool:
    return b"blender_launcher.py" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.fixture
def midway(cloud: Cloud) -> Hold:
    hold = Hold()
    cloud.on_frames(2, hold.hold)
    return hold


def wait_for_the_last(blender: Scripting) -> None:
    """Wait until nothing that was started from this Blender runs any more."""
    wait_for(lambda: not blender.processes(), "the process in the background to end")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_process_in_the_background_finishes_the_job(
    cloud: Cloud, scripting: Callable[..., Scripting], midway: Hold, version: str
) -> None:
    blender = scripting(version)
    blender.run(start(FRAMES) + QUIT)
    assert len(blender.pictures()) < FRAMES, "it was let go of midway"
    midway.release()
    wait_for_the_last(blender)
    assert len(blender.pictures()) == FRAMES and rendered(cloud) == FRAMES and len(cloud.machines) == 1


def test_it_finds_out_what_is_sent_if_that_is_not_known_yet(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    blender = scripting("4.2.23")
    job_id = blender.run(LOOKING + QUIT)
    assert not cloud.machines
    wait_for_the_last(blender)
    assert len(blender.pictures()) == 3 and blender.status(job_id) == "succeeded"


def test_a_job_is_cancelled_while_it_is_found_out_what_is_sent(
    cloud: Cloud, scripting: Callable[..., Scripting]
) -> None:
    blender = scripting("4.2.23")
    status, missing, job_id = blender.run(
        LOOKING
        + """
job.cancel.cancel()
pump_until(lambda: job.ended is not None)
answer = [job.ended.status.value, len(job.ended.missing), job.spec.job_id]
"""
    )
    assert (status, missing, blender.status(job_id)) == ("cancelled", 3, "cancelled") and not cloud.machines
    assert not blender.processes(), "no Blender is left in the background"


def test_it_does_so_when_the_extension_is_disabled(
    cloud: Cloud, scripting: Callable[..., Scripting], midway: Hold
) -> None:
    blender = scripting("4.2.23", own=True)
    blender.run(start(FRAMES) + "disable()")
    assert len(blender.pictures()) < FRAMES, "it was let go of midway"
    midway.release()
    assert not [*(blender.blender.extensions / ".local").rglob("boto3")], "Blender takes the packages away"
    wait_for_the_last(blender)
    assert len(blender.pictures()) == FRAMES and rendered(cloud) == FRAMES and len(cloud.machines) == 1


@pytest.mark.parametrize("version", (VERSIONS[0], VERSIONS[-1]))
def test_it_does_so_when_the_extension_is_uninstalled(
    cloud: Cloud, scripting: Callable[..., Scripting], midway: Hold, version: str
) -> None:
    blender = scripting(version, own=True)
    # Without the variable, records are in the extension's own user folder, which Blender deletes with it.
    folder = blender.run(start(FRAMES) + UNINSTALL, CLOUDRENDER_HOME="")
    assert not [*blender.blender.extensions.glob("*/cloudrender")], "it is uninstalled"
    assert len(blender.pictures()) < FRAMES, "it was let go of midway"
    midway.release()
    wait_for_the_last(blender)
    assert len(blender.pictures()) == FRAMES and rendered(cloud) == FRAMES and len(cloud.machines) == 1
    # The next installation lists it.
    assert JobFolder(Path(folder)).load().status.value == "succeeded"
    assert Path(folder).is_relative_to(blender.blender.extensions / ".user" / "user_default" / "cloudrender")


def test_then_it_sends_all_to_another_machine_if_that_is_lost(
    cloud: Cloud, scripting: Callable[..., Scripting], midway: Hold
) -> None:
    blender = scripting("4.2.23", own=True)
    folder = blender.run(start(FRAMES) + UNINSTALL, CLOUDRENDER_HOME="")
    wait_for(lambda: not blender.processes() or (Path(folder) / "record.json").is_file(), "the folder to be put back")
    assert not Path(folder).parents[1].joinpath("staging").exists(), "Blender has deleted all that it could"
    assert midway.held, "it was let go of midway"
    cloud.kill(cloud.machines[0])
    wait_for_the_last(blender)
    assert len(blender.pictures()) == FRAMES and len(cloud.machines) == 2
    assert JobFolder(Path(folder)).load().status.value == "succeeded"


def test_it_cancels_the_job_if_that_is_wanted(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    blender = scripting("4.2.23")
    job_id = blender.run(start(4000) + 'part("ui.preferences").preferences().on_quit = "CANCEL"' + QUIT)
    wait_for_the_last(blender)
    assert 2 <= len(blender.pictures()) < 4000
    assert blender.status(job_id) == "cancelled"


def test_the_next_blender_takes_the_job_over(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    blender = scripting("4.2.23")
    blender.run(start(600) + QUIT)
    gone_with = len(blender.pictures())
    wait_for(lambda: len(blender.pictures()) > gone_with, "somebody to keep the job going")
    done, status, error = blender.run(PICK_UP)
    assert gone_with < done < 600 and (status, error) == ("succeeded", "None")
    assert len(blender.pictures()) == 600 and rendered(cloud) == 600 and len(cloud.machines) == 1
    wait_for_the_last(blender)


def test_two_blenders_do_not_drive_one_job(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    blender = scripting("4.2.23")
    first = blender.start(
        start(4000) + "pump_until(lambda: job.ended is not None); answer = [job.ended.status.value, job.spec.job_id]"
    )
    wait_for(lambda: len(blender.pictures()) >= 2, "two frames")
    answer = blender.run(
        """
        startup, session, store = part("ui.startup"), part("ui.session").SESSION, part("backend.job.store")
        [folder] = store.JobStore(part("ui.preferences").jobs_home()).folders()
        startup.pick_up_open_jobs()
        pump_until(lambda: not session.busy)
        answer = [sorted(session.driven)]
        answer.append(bpy.ops.cloudrender.resume(job_id=folder.job_id))
        pump_until(lambda: session.job.ended is not None)
        answer.append(session.job.ended.error.message)
        answer.append(len(folder.saved_frames(folder.load().spec.output)))
        folder.request_cancel()
        """
    )
    assert answer[:2] == [[], ["FINISHED"]] and answer[2].endswith(" is being driven by another cloudrender")
    # The first one went on with it all the while, until it was asked to end it.
    assert first.answer()[0] == "cancelled"
    assert 2 <= answer[3] <= len(blender.pictures()) < 4000 and len(cloud.machines) == 1


def test_what_was_ended_meanwhile_is_not_begun_anew(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    blender = scripting("4.2.23")
    answer = blender.run(
        """
        jobs, snapshot, answer = part("ui.jobs"), part("ui.snapshot"), []
        bpy.context.scene.frame_end = 4000
        def drive(folder, record):
            job = jobs.drive(folder, record)
            pump_until(lambda: job.ended is not None or job.progress.done >= 2)
            job.cancel.cancel()
            pump_until(lambda: job.ended is not None)
            answer.append([job.ended.status.value, job.ended.error.message, len(job.ended.frames) > 0])
        drive(*(driven := snapshot.make_job(bpy.context, animation=True)))
        drive(*driven)  # found open, ended by the other one until the lock was free
        unwanted = snapshot.make_job(bpy.context, animation=True)
        unwanted[0].request_cancel()
        drive(*unwanted)
        """
    )
    assert answer == [
        ["cancelled", "Cancelled", True],
        ["cancelled", "Cancelled", True],
        ["cancelled", "Cancelled", False],
    ]
    assert len(cloud.machines) == 1
