# SPDX-License-Identifier: GPL-3.0-or-later
"""The command to log in with is what a shell and ssh understand, whatever the folder is called."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cloudrender_addon.backend.errors import RecordError
from cloudrender_addon.backend.farms.base import Machine, MachineRequest
from cloudrender_addon.backend.farms.ec2_login import login_command
from tests.unit.fakes import FakeFarm


def machine(*, port: int) -> Machine:
    request = MachineRequest(
        job_id="j", token="t", instance_types=("g4dn.xlarge",), disk_bytes=1, lifetime_seconds=3600, lease_seconds=900
    )
    planned = FakeFarm([]).plan(request)
    return replace(planned, address="192.0.2.1", ssh_port=port, ssh_user="ubuntu", host_key="ssh-ed25519 AAAAkey")


@pytest.mark.parametrize(("port", "name"), [(22, "192.0.2.1"), (2222, "[192.0.2.1]:2222")])
@pytest.mark.parametrize("folder", ["plain", "Mein Projekt ü", "100% 'quoted'"])
def test_ssh_reads_what_was_meant(tmp_path: Path, port: int, name: str, folder: str) -> None:
    keys = tmp_path / folder
    keys.mkdir()
    (keys / "job_key").touch()
    command = login_command(machine(port=port), key=keys / "job_key", known_hosts=keys / "known_hosts")
    assert (keys / "known_hosts").read_text() == f"{name} ssh-ed25519 AAAAkey\n"
    # ssh -G prints the configuration that ssh would work with.
    shown = subprocess.run(
        [*shlex.split(command), "-G"], capture_output=True, text=True, check=True, timeout=10
    ).stdout.splitlines()
    assert f"port {port}" in shown and "user ubuntu" in shown and "hostname 192.0.2.1" in shown
    plain = {line.replace("%%", "%") for line in shown}  # some of it is expanded only later
    assert {f"identityfile {keys / 'job_key'}", f"userknownhostsfile {keys / 'known_hosts'}"} <= plain
    assert {"identitiesonly yes", "stricthostkeychecking true"} <= set(shown)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be written"):
        login_command(machine(port=22), key=tmp_path / "k", known_hosts=tmp_path / "none" / "known_hosts")
