# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that hit the render itself, each once with the real Blender over the whole way.

The others: notice, kill without one, cut, killed client in test_command_survives.py; throttling in
test_command_refuses.py; refused SSH in test_command_renders.py; the recommendation in test_command_moves.py.
"""

from __future__ import annotations

import pytest

from tests.cloud.command import Project, wait_for
from tests.cloud.test_command_refuses import check_explained
from tests.cloud.test_command_survives import job_of, rendered
from tests.localcloud import small_disk
from tests.localcloud.cloud import Cloud
from tests.localcloud.spec import parse

pytestmark = pytest.mark.blender


def test_a_frozen_machine_is_replaced(cloud: Cloud, project: Project) -> None:
    cloud.on_frames(2, lambda machine: machine.hang())
    running = project.start("-a", "-e", 60)
    wait_for(lambda: "connecting again" in running.said(), "the client to notice")
    cloud.kill(cloud.machines[0])  # sooner than it would be given up for its silence
    result = running.wait()
    assert result.code == 0 and len(project.pictures()) == 60 and len(cloud.machines) == 2, result.err


def test_a_frame_that_crashes_blender_is_given_up_also_when_the_machine_changes(
    cloud: Cloud, crashing: Project
) -> None:
    cloud.on_frames(4, cloud.kill)
    result = crashing.run("-a", "-e", 60, "--enable-autoexec")
    check_explained(result, 1, "1 of 60 frames", "3")
    assert "the script pulls the plug" in result.err and result.err.count("was set aside") == 1
    assert len(crashing.pictures()) == 59 and len(cloud.machines) == 2


def test_a_full_disk_spoils_no_frame_and_another_machine_goes_on(cloud: Cloud, project: Project) -> None:
    if not small_disk.available():
        pytest.skip("neither root nor user namespaces")
    parse("full-disk=3")(cloud)
    result = project.run("-a", "-e", 200)
    check_explained(result, 1, "The disk of the rented machine is full", "A new machine has room")
    whole = len(project.pictures())
    assert 3 <= whole < 200, "frames that Blender could not write were taken for whole"
    cloud.disk_mb = None
    assert project.run("attach", job_of(project)).code == 0
    assert len(project.pictures()) == 200 and len(cloud.machines) == 2


@pytest.mark.parametrize(("files", "machines"), [(1, 1), (3, 2)])
def test_what_arrives_damaged_is_fetched_or_rendered_again(
    cloud: Cloud, project: Project, files: int, machines: int
) -> None:
    parse(f"corrupt=2:{files}")(cloud)
    result = project.run("-a", "-e", 60)
    assert result.code == 0, result.err
    assert len(project.pictures()) == 60 and len(cloud.machines) == machines
    assert rendered(cloud) == 60 + (machines - 1), "only the frame that never arrived is rendered again"


@pytest.mark.parametrize("seconds", [-90_000, 7200])
def test_a_clock_that_jumps_hurts_nothing(cloud: Cloud, project: Project, seconds: int) -> None:
    parse(f"clock-jump=2:{seconds}")(cloud)
    cloud.on_frames(30, lambda machine: cloud.interrupt(machine, notice=2.0))
    result = project.run("-a", "-e", 600)
    assert result.code == 0 and len(project.pictures()) == 600 and len(cloud.machines) == 2, result.err
