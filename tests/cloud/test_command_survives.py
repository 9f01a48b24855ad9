# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in between: no finished frame is lost or rendered twice for nothing, and nothing is left."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.cloud.command import Project, wait_for
from tests.cloud.test_command_refuses import check_explained
from tests.localcloud.cloud import Cloud

pytestmark = [pytest.mark.blender, pytest.mark.program]

LONG = ("-a", "-s", 1, "-e", 4000)
"""More frames than any test waits for."""

SIX = [f"{n:04d}.png" for n in range(1, 7)]


def rendered(cloud: Cloud) -> int:
    """How many frames all machines have finished: more than arrived means work done twice."""
    return sum(machine.frames for machine in cloud.machines)


def job_of(project: Project) -> str:
    return project.run("jobs").out.split()[0]


def test_ctrl_c_ends_the_machine(cloud: Cloud, project: Project) -> None:
    running = project.start(*LONG)
    wait_for(lambda: len(project.frames()) >= 2, "two frames")
    running.interrupt()
    running.interrupt()
    wait_for(lambda: "Stopping" in running.said(), "an answer to Ctrl-C")
    running.interrupt()
    result = running.wait(seconds=30)
    assert result.code == 130 and "Left running: nothing" in result.err and "Traceback" not in result.err
    assert "cancelled" in project.run("jobs").out and len(project.pictures()) >= 2


@pytest.mark.parametrize("moment", ["Job ", "Provisioning", "is starting", "Uploading", "Rendering"])
def test_ctrl_c_at_any_moment(cloud: Cloud, project: Project, moment: str) -> None:
    running = project.start(*LONG)
    wait_for(lambda: moment in running.said(), moment)
    running.interrupt()
    assert running.wait(seconds=30).code == 130


def test_sigterm_is_heard_like_ctrl_c(cloud: Cloud, project: Project) -> None:
    running = project.start(*LONG)
    wait_for(project.frames, "a frame")
    running.process.send_signal(signal.SIGTERM)
    assert running.wait(seconds=30).code == 130


def test_a_killed_client_loses_nothing(cloud: Cloud, project: Project) -> None:
    running = project.start("-a", "-e", 40)
    wait_for(lambda: len(project.frames()) >= 3, "three frames")
    running.kill()
    at_kill = len(project.frames())
    wait_for(lambda: cloud.machines[0].frames >= at_kill + 3, "the machine to go on alone")
    result = project.run("attach", job_of(project))
    assert result.code == 0 and "40 of 40 frames" in result.err, result.err
    assert len(project.pictures()) == 40
    assert len(cloud.machines) == 1 and rendered(cloud) == 40


def test_fetch_takes_what_is_there_and_leaves_the_machine_alone(cloud: Cloud, project: Project) -> None:
    running = project.start(*LONG)
    wait_for(project.frames, "a frame")
    running.kill()
    before = len(project.frames())
    wait_for(lambda: cloud.machines[0].frames >= before + 3, "more frames")
    result = project.run("fetch", job_of(project))
    assert result.code == 0 and len(project.pictures()) >= before + 3, result.err
    assert cloud.machines[0].processes(), "the machine was ended"
    assert project.run("cancel", job_of(project)).code == 0
    assert "cancelled" in project.run("jobs").out


def test_a_second_client_is_turned_away_and_can_cancel(cloud: Cloud, project: Project) -> None:
    running = project.start(*LONG)
    wait_for(project.frames, "a frame")
    job = job_of(project)
    check_explained(project.run("attach", job), 1, "another cloudrender")
    check_explained(project.run("fetch", job), 1, "another cloudrender")
    assert project.run("clean-up", "-y").code == 0 and cloud.machines[0].processes(), "a driven job was cleaned up"
    assert project.run("cancel", job).code == 0
    assert running.wait(seconds=30).code == 130


@pytest.mark.parametrize("notice", [True, False])
def test_a_reclaimed_machine_is_replaced(cloud: Cloud, project: Project, notice: bool) -> None:
    if notice:
        cloud.on_frames(2, lambda machine: cloud.interrupt(machine, notice=8.0))
    else:
        cloud.on_frames(2, cloud.kill)
    result = project.run("-a", "-e", 600)
    assert result.code == 0, result.err
    assert len(project.pictures()) == 600 and len(cloud.machines) == 2
    # After a notice nothing is done twice; when the power just goes, what was finished but not fetched yet is.
    assert rendered(cloud) <= 600 + (0 if notice else 60)


def test_what_nobody_has_fetched_at_the_notice_is_fetched_before_the_end(cloud: Cloud, project: Project) -> None:
    running = project.start("-a", "-e", 900)
    wait_for(lambda: len(project.frames()) >= 3, "three frames")
    running.kill()
    fetched = len(project.frames())
    wait_for(lambda: cloud.machines[0].frames >= fetched + 150, "the machine to go on alone")
    cloud.interrupt(cloud.machines[0], notice=40.0)
    result = project.run("attach", job_of(project))
    assert result.code == 0 and len(project.pictures()) == 900, result.err
    arrived = [int(n) for n in re.findall(r"^Frame (\d+) is here", result.err, re.MULTILINE)]
    assert arrived == sorted(arrived), "not in order"
    assert rendered(cloud) == 900, "something finished was rendered again"


def test_a_cut_connection_is_picked_up(cloud: Cloud, project: Project) -> None:
    cloud.on_frames(2, lambda machine: machine.cut_links())
    result = project.run("-a", "-e", 30)
    assert result.code == 0 and "connecting again" in result.err, result.err
    assert len(project.pictures()) == 30 and len(cloud.machines) == 1 and rendered(cloud) == 30


def test_a_frozen_machine_is_noticed_and_never_blocks_ctrl_c(cloud: Cloud, project: Project) -> None:
    frozen: list[float] = []
    cloud.on_frames(2, lambda machine: (machine.hang(), frozen.append(time.monotonic())))
    running = project.start(*LONG)
    wait_for(lambda: frozen, "the machine to freeze")
    wait_for(lambda: "connecting again" in running.said(), "the client to notice", seconds=15)
    running.interrupt()
    assert running.wait(seconds=30).code == 130


def test_a_crash_is_told_with_blenders_last_lines(cloud: Cloud, crashing: Project) -> None:
    result = crashing.run("-a", "--enable-autoexec")
    check_explained(result, 1, "1 of 6 frames", "3")
    assert "the script pulls the plug" in result.err
    assert crashing.frames() == [name for name in SIX if name != "0003.png"]


def test_scripts_in_the_file_do_not_run_unasked(cloud: Cloud, crashing: Project) -> None:
    assert crashing.run("-a").code == 0 and crashing.frames() == SIX


def test_a_missing_gpu_fails_loudly(cloud: Cloud, project: Project) -> None:
    cloud.gpu = False
    check_explained(project.run("-f", 1), 1, "GPU")
    assert project.frames() == []


def test_the_client_stays_small(cloud: Cloud, project: Project) -> None:
    with (project.path / "cache.bin").open("wb") as file:
        for _ in range(40):
            file.write(os.urandom(10**7))
    running = project.start("-f", 1)
    status, peak = Path(f"/proc/{running.process.pid}/status"), 0
    while running.process.poll() is None:
        # Not the system's own account of the ended process: that counts the test's memory before the exec.
        if high := re.search(r"VmHWM:\s+(\d+) kB", status.read_text()):
            peak = int(high[1])
        time.sleep(0.02)
    assert running.wait().code == 0, running.said()
    assert 20 * 1024 < peak < 150 * 1024, f"{peak / 1024:.0f} MB"


def test_a_frame_is_never_seen_half(cloud: Cloud, project: Project, tmp_path: Path) -> None:
    running = project.start("-a", "-e", 20)
    while running.process.poll() is None:
        project.pictures()  # decodes all that is there at any moment
    assert running.wait().code == 0 and len(project.pictures()) == 20
