# SPDX-License-Identifier: GPL-3.0-or-later
"""`--keep`: the machine stays up to be looked at, for the time that was said, whatever becomes of the client."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cloud.command import Project, Result, wait_for
from tests.localcloud.cloud import Cloud

pytestmark = [pytest.mark.blender, pytest.mark.program]

LOOK = " -o BatchMode=yes 'cat \"$TMPDIR/cloudrender/blender.log\"'"
"""What somebody types after the login command, to look at Blender's log."""


def login_command(result: Result) -> str:
    found = re.search(r"^To log in: `(.+)`$", result.err, re.MULTILINE)
    assert found, result.err
    return found[1]


def type_into_a_shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)


def keys() -> list[Path]:
    return [path for path in Path(os.environ["CLOUDRENDER_HOME"]).glob("jobs/*/keys/*") if path.is_file()]


def test_one_can_log_in_after_the_job_until_it_is_cancelled(cloud: Cloud, project: Project) -> None:
    result = project.run("-f", 1, "--keep", 30)
    assert result.code == 0 and project.frames() == ["0001.png"], result.err
    machine = cloud.machines[0]
    kept = rf"{machine.id} is kept until \d\d:\d\d as asked, \$0\.\d+ an hour: `cloudrender cancel \S+` ends it sooner"
    assert re.search(kept, result.err), result.err
    assert re.findall("^Left running(.*)$", result.err, re.MULTILINE) == [" besides: nothing"]
    login = login_command(result)
    assert "Blender 4.2" in type_into_a_shell(login + LOOK).stdout

    listed = project.run("jobs").out
    assert "kept" in listed and f"cloudrender cancel {listed.split()[0]}" in listed
    other = project.run("-f", 2, "--fresh-machine")  # does not touch it
    assert other.code == 0 and "is kept until" in other.err and machine.processes(), other.err

    attached = project.run("attach", listed.split()[0])  # nor does this: there is nothing to go on with
    assert attached.code == 0 and login_command(attached) == login and machine.processes(), attached.err

    ended = project.run("cancel", listed.split()[0])
    assert ended.code == 0 and "succeeded" in ended.err, ended.err
    assert not machine.processes() and not keys()
    assert type_into_a_shell(login + LOOK).returncode == 255


def test_the_login_trusts_no_other_machine(cloud: Cloud, project: Project) -> None:
    login = login_command(project.run("-f", 1, "--keep", 30))
    [known_hosts] = [path for path in keys() if path.name == "known_hosts"]
    known_hosts.write_text(known_hosts.read_text().replace(" AAAA", " BBBB"))
    refused = type_into_a_shell(login + LOOK)
    assert refused.returncode == 255 and "verification failed" in refused.stderr
    assert project.run("clean-up", "-y").code == 0
    assert "succeeded" in project.run("jobs").out


def test_after_a_failure_the_machine_is_there_to_be_looked_at(cloud: Cloud, crashing: Project) -> None:
    result = crashing.run("-a", "--enable-autoexec", "--keep", 30)
    assert result.code == 1 and "1 of 6 frames" in result.err, result.err
    assert "the script pulls the plug" in type_into_a_shell(login_command(result) + LOOK).stdout
    attached = crashing.run("attach", crashing.run("jobs").out.split()[0])
    assert "no launch, no boot" in attached.err and len(cloud.machines) == 1, attached.err
    assert attached.code == 1 and "1 of 6 frames" in attached.err  # that frame was tried once more
    assert "the script pulls the plug" in type_into_a_shell(login_command(attached) + LOOK).stdout
    assert crashing.run("cancel", crashing.run("jobs").out.split()[0]).code == 0


def test_it_ends_itself_and_the_next_start_closes_the_record(cloud: Cloud, project: Project) -> None:
    assert project.run("-f", 1, "--keep", 0.1).code == 0
    wait_for(lambda: not cloud.machines[0].processes(), "the machine to end itself", seconds=30)
    assert cloud.machines[0].reason == "Client.InstanceInitiatedShutdown" and keys()
    assert "was kept until" in project.run("jobs").out
    assert project.run("-f", 2).code == 0
    assert "kept" not in project.run("jobs").out and not keys()
