# SPDX-License-Identifier: GPL-3.0-or-later
"""Never a machine left behind: each layer works with those before it disabled.

Layer 1, the runner that ends its machine on every way out, is in test_command_survives.py.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.cloud.command import Project, wait_for
from tests.localcloud.cloud import Cloud
from tests.localcloud.machine import Machine

pytestmark = [pytest.mark.blender, pytest.mark.program]

LONG = ("-a", "-e", 4000)


def killed_while(project: Project, words: str) -> None:
    """Start a long job and SIGKILL its client once it has said these words."""
    running = project.start(*LONG)
    wait_for(lambda: words in running.said(), words)
    running.kill()


def command_line(pid: int) -> bytes:
    """Return a process's words; none for one that has ended since it was listed."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def powered_off(machine: Machine) -> bool:
    return machine.reason == "Client.InstanceInitiatedShutdown" and not machine.processes()


@pytest.mark.parametrize("words", ["Provisioning", "is starting", "Uploading", "Rendering"])
def test_layer_2_the_record_lets_the_next_start_end_it(cloud: Cloud, project: Project, words: str) -> None:
    killed_while(project, words)
    job = project.run("jobs").out.split()[0]
    assert project.run("cancel", job).code == 0
    assert "cancelled" in project.run("jobs").out


def test_layer_2_an_interrupted_clean_up_is_finished_by_the_next_render(cloud: Cloud, project: Project) -> None:
    running = project.start(*LONG)
    wait_for(project.frames, "a frame")
    cloud.faults.delay("TerminateInstances", 5.0)
    running.interrupt()
    wait_for(lambda: "Cleaning up" in running.said(), "the clean-up")
    running.kill()
    result = project.run("-f", 1)
    assert result.code == 0 and "had left running" in result.err, result.err


def test_layer_2_from_a_shell_that_means_another_region(
    cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_while(project, "Rendering")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert project.run("cancel", project.run("jobs").out.split()[0]).code == 0
    assert cloud.machines[0].reason == "Client.UserInitiatedShutdown"


def test_layer_2_a_machine_that_is_gone_needs_no_right_to_end_it(cloud: Cloud, project: Project) -> None:
    killed_while(project, "Rendering")
    cloud.kill(cloud.machines[0])
    wait_for(lambda: cloud.machines[0].ended_at, "the power cut")
    # What is gone has no tags, so a policy with a condition on tags refuses.
    cloud.faults.api("TerminateInstances", "UnauthorizedOperation", times=99)
    assert project.run("cancel", project.run("jobs").out.split()[0]).code == 0


def test_layer_3_tags_find_it_without_any_record(cloud: Cloud, project: Project) -> None:
    killed_while(project, "Rendering")
    shutil.rmtree(Path(os.environ["CLOUDRENDER_HOME"]))
    ours = cloud.client("ec2").create_security_group(GroupName="somebody-elses", Description="not ours")["GroupId"]
    result = project.run("clean-up", "-y")
    assert result.code == 0 and cloud.machines[0].id in result.err, result.err
    assert any(ours in line for line in cloud.leftovers()), "it touched what is not ours"
    cloud.client("ec2").delete_security_group(GroupId=ours)
    assert "Nothing" in project.run("clean-up").err


def test_layer_4_without_client_or_work_the_lease_runs_out(
    cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDRENDER_LEASE_MINUTES", "0.1")
    cloud.ssh_delay = 60.0  # so that nobody can renew it
    killed_while(project, "is starting")
    wait_for(lambda: powered_off(cloud.machines[0]), "the machine to end itself", seconds=30)
    assert project.run("clean-up", "-y").code == 0  # its key pair and group cost nothing, and go with this


def test_layer_4_frames_are_kept_for_the_lease_and_no_longer(
    cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDRENDER_LEASE_MINUTES", "0.15")
    running = project.start("-a")
    wait_for(project.frames, "a frame")
    running.kill()
    wait_for(lambda: cloud.machines[0].frames == 6, "the machine to finish alone")
    wait_for(lambda: powered_off(cloud.machines[0]), "the machine to end itself", seconds=40)
    assert project.run("cancel", project.run("jobs").out.split()[0]).code == 0


def test_layer_5_the_lifetime_ends_it_with_the_dead_man_switch_dead(
    cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDRENDER_MAX_HOURS", "0.006")
    killed_while(project, "Rendering")
    switches = [p for p in cloud.machines[0].processes() if b"dead-man" in command_line(p)]
    assert switches
    for process in switches:
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: powered_off(cloud.machines[0]), "the machine to end itself", seconds=60)
    assert project.run("cancel", project.run("jobs").out.split()[0]).code == 0


def test_layer_5_the_money_limit_ends_it_with_every_client_dead(cloud: Cloud, project: Project) -> None:
    bought = ("-c", "g6.2xlarge", "--purchase", "on-demand")  # dear enough for a limit of more than a cent
    price = re.search(r"\$(\d+\.\d+) an hour", project.run("check-setup", *bought).out)
    assert price
    seconds = 66  # no machine is rented for less than a minute
    running = project.start(*LONG, *bought, "--max-cost", f"{float(price[1]) * seconds / 3600:.6f}")
    wait_for(project.frames, "a frame")
    running.kill()
    machine = cloud.machines[0]
    wait_for(lambda: powered_off(machine) and machine.ended_at, "the machine to end itself", seconds=seconds + 30)
    assert machine.ended_at is not None and machine.ended_at - machine.launched_at == pytest.approx(seconds, abs=6)
    # Nothing more is spent by whoever goes on with it, and what came is kept.
    result = project.run("attach", project.run("jobs").out.split()[0])
    assert result.code == 1 and "reached its cost limit" in result.err, result.err
    assert project.frames() and len(cloud.machines) == 1
