# SPDX-License-Identifier: GPL-3.0-or-later
"""User data: the two switches that end a machine, each alone, and the folder they guard."""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudrender_addon.instance import lease, user_data_script
from cloudrender_addon.instance.root import Root
from tests.instance.agent_rig import wait_until


class BootedMachine:
    """Runs the user data with a `shutdown` and a `poweroff` that only write down that they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "tmp" / "cloudrender"
        self.script = folder / "user data.sh"
        self.bin = folder / "bin"
        self.bin.mkdir()
        (folder / "tmp").mkdir()
        for name in ("shutdown", "poweroff"):
            self.command(name, f'echo "$@" >>"{folder}/{name}"')

    def command(self, name: str, does: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)

    def boot(self, *, lease: int = 900, lifetime: int = 3600) -> None:
        text = user_data_script(owner=getpass.getuser(), lease_seconds=lease, lifetime_seconds=lifetime)
        self.script.write_text(text)
        self.script.chmod(0o755)
        environment = {
            **os.environ,
            "TMPDIR": str(self.folder / "tmp"),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "CR_POLL": "0.1",
        }
        # The pipe would stay open, and this wait, if a switch kept hold of what the script was started with.
        subprocess.run([self.script], env=environment, check=True, capture_output=True, timeout=10)

    def shut_down(self) -> str:
        """Return the arguments of the first `shutdown`, or nothing."""
        log = self.folder / "shutdown"
        return log.read_text().partition("\n")[0] if log.exists() else ""

    def processes(self) -> list[int]:
        """Return everything that runs the script, with the subshells that come and go."""
        return [pid for pid, words in self._running() if str(self.script) in words]

    def switch(self, role: str) -> int:
        """Return the process of one switch, which leads its session."""

        def leader() -> int | None:
            for pid, words in self._running():
                with contextlib.suppress(ProcessLookupError):
                    if str(self.script) in words and role in words and os.getsid(pid) == pid:
                        return pid
            return None

        return wait_until(leader)

    def _running(self) -> Iterator[tuple[int, list[str]]]:
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                yield int(entry.name), (entry / "cmdline").read_bytes().decode().split("\0")

    def kill(self, role: str) -> None:
        """Kill a switch with what it is waiting for."""
        pid = self.switch(role)
        os.killpg(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or pid not in self.processes())

    def close(self) -> None:
        """End all that is left, also what is only being started."""

        def ended() -> bool:
            left = self.processes()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    group = os.getpgid(pid)
                    os.kill(pid, signal.SIGKILL) if group == os.getpgrp() else os.killpg(group, signal.SIGKILL)
            return not left

        wait_until(ended)

    def put(self, name: str, content: str) -> None:
        (self.root / f"{name}.test").write_text(content)
        (self.root / f"{name}.test").replace(self.root / name)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[BootedMachine]:
    machine = BootedMachine(tmp_path)
    yield machine
    machine.close()


def uptime() -> int:
    return int(Path("/proc/uptime").read_text().split(".")[0])


def polled(machine: BootedMachine) -> None:
    """Wait until the dead-man switch has looked at least once more: it starts a `sleep` each time."""
    switch = machine.switch("dead-man")

    def sleeping() -> str:
        return Path(f"/proc/{switch}/task/{switch}/children").read_text()

    before = wait_until(sleeping)
    wait_until(lambda: sleeping() not in {"", before})


def test_the_folder_is_private_and_filled(machine: BootedMachine) -> None:
    before = uptime()
    machine.boot(lease=900, lifetime=3600)
    assert stat.S_IMODE(machine.root.stat().st_mode) == 0o700
    assert before + 900 <= int((machine.root / "lease").read_text()) <= uptime() + 900
    assert before + 3600 <= int((machine.root / "deadline").read_text()) <= uptime() + 3600
    assert (machine.root / "lease_seconds").read_text() == "900\n"
    assert (machine.root / "lifetime").read_text() == (machine.root / "deadline").read_text()


def test_the_switches_outlive_the_script_in_sessions_of_their_own(machine: BootedMachine) -> None:
    machine.boot()
    for role in ("lifetime", "dead-man"):
        pid = machine.switch(role)
        assert {str(Path(f"/proc/{pid}/fd/{fd}").readlink()) for fd in range(3)} == {"/dev/null"}
    polled(machine)
    assert not machine.shut_down()


def test_collected_frames_end_the_machine(machine: BootedMachine) -> None:
    machine.boot()
    machine.kill("lifetime")
    polled(machine)
    assert not machine.shut_down()
    (machine.root / "collected").touch()
    assert wait_until(machine.shut_down) == "-P now"


def test_a_lease_that_runs_out_ends_the_machine(machine: BootedMachine) -> None:
    machine.boot(lease=1)
    machine.kill("lifetime")
    assert wait_until(machine.shut_down) == "-P now"
    assert uptime() > int((machine.root / "lease").read_text())


def test_a_renewed_lease_keeps_the_machine(machine: BootedMachine) -> None:
    machine.boot(lease=2)
    machine.put("lease", f"{uptime() + 900}\n")
    begun = uptime()
    wait_until(lambda: uptime() > begun + 3)
    polled(machine)
    assert not machine.shut_down()


def test_the_deadline_ends_the_machine_whatever_the_lease_says(machine: BootedMachine) -> None:
    machine.boot()
    machine.kill("lifetime")
    machine.put("deadline", f"{uptime() - 1}\n")
    assert wait_until(machine.shut_down) == "-P now"


def test_the_lifetime_ends_the_machine_without_the_dead_man_switch(machine: BootedMachine) -> None:
    machine.boot(lifetime=1)
    machine.kill("dead-man")
    assert wait_until(machine.shut_down) == "-P now"


def test_a_machine_that_is_kept_lives_so_long_and_no_longer(machine: BootedMachine) -> None:
    machine.boot(lease=1)
    machine.kill("lifetime")
    lease.keep(Root(machine.root), 4)
    begun = uptime()
    lease.renew(Root(machine.root))  # as an agent does that still works, and a client that looks on
    wait_until(lambda: uptime() > begun + 2)
    polled(machine)
    assert not machine.shut_down(), "the lease it was booted with ended it"
    assert wait_until(machine.shut_down) == "-P now"
    assert begun + 4 <= uptime() <= begun + 10


def test_keeping_a_machine_never_moves_its_deadline_away(machine: BootedMachine) -> None:
    machine.boot(lease=900, lifetime=1000)
    before = (machine.root / "deadline").read_text()
    lease.keep(Root(machine.root), 5000)
    assert (machine.root / "deadline").read_text() == before == (machine.root / "lease").read_text()
    assert stat.S_IMODE((machine.root / "lease").stat().st_mode) & 0o022 == 0
    polled(machine)
    assert not machine.shut_down()


def test_a_machine_that_was_kept_lives_on_with_another_job(machine: BootedMachine) -> None:
    machine.boot(lease=1, lifetime=3600)
    machine.kill("lifetime")
    lease.keep(Root(machine.root), 3)
    begun = uptime()
    lease.extend(Root(machine.root), 1800, lease_seconds=600)
    assert begun + 1800 <= int((machine.root / "deadline").read_text()) <= uptime() + 1800
    assert begun + 600 <= int((machine.root / "lease").read_text()) <= uptime() + 600
    wait_until(lambda: uptime() > begun + 5)
    polled(machine)
    assert not machine.shut_down(), "what it was kept for ended it"


def test_a_job_that_took_it_over_and_never_came_back_is_ended_by_its_lease(machine: BootedMachine) -> None:
    machine.boot()
    machine.kill("lifetime")
    lease.keep(Root(machine.root), 600)
    begun = uptime()
    lease.extend(Root(machine.root), 1800, lease_seconds=2)
    assert wait_until(machine.shut_down) == "-P now"
    assert begun + 2 <= uptime() <= begun + 10


def test_no_job_moves_the_deadline_beyond_the_lifetime_it_was_launched_with(machine: BootedMachine) -> None:
    machine.boot(lease=900, lifetime=4)
    machine.kill("lifetime")
    end = int((machine.root / "lifetime").read_text())
    lease.keep(Root(machine.root), 2)
    for _ in range(3):  # as often as it likes
        lease.extend(Root(machine.root), 100_000, lease_seconds=100_000)
    assert int((machine.root / "deadline").read_text()) == end
    assert wait_until(machine.shut_down) == "-P now"
    assert end <= uptime() <= end + 6


def test_the_lifetime_ends_a_machine_whatever_was_extended(machine: BootedMachine) -> None:
    machine.boot(lifetime=2)
    machine.put("lifetime", f"{uptime() + 100_000}\n")  # by somebody who tampers
    lease.extend(Root(machine.root), 100_000, lease_seconds=100_000)
    machine.kill("dead-man")
    assert wait_until(machine.shut_down) == "-P now"


@pytest.mark.parametrize("content", [None, "", "soon\n"])
def test_without_knowing_its_lifetime_nothing_is_extended(machine: BootedMachine, content: str | None) -> None:
    machine.boot()
    machine.put("lifetime", content or "")
    if content is None:
        (machine.root / "lifetime").unlink()
    lease.keep(Root(machine.root), 600)
    before = (machine.root / "deadline").read_text()
    with pytest.raises((OSError, ValueError)):
        lease.extend(Root(machine.root), 1800, lease_seconds=900)
    assert (machine.root / "deadline").read_text() == before
    assert (machine.root / "lease_seconds").read_text() == "600\n"


@pytest.mark.parametrize("content", [None, "", "soon\n", "-1\n", "12x\n"])
def test_an_unreadable_lease_ends_the_machine(machine: BootedMachine, content: str | None) -> None:
    machine.boot()
    machine.kill("lifetime")
    if content is None:
        (machine.root / "lease").unlink()
    else:
        machine.put("lease", content)
    assert wait_until(machine.shut_down) == "-P now"


def test_a_lease_that_is_unreadable_for_a_moment_does_not(machine: BootedMachine) -> None:
    machine.boot()
    good = (machine.root / "lease").read_text()
    machine.put("lease", "")
    polled(machine)
    machine.put("lease", good)
    for _ in range(8):
        polled(machine)
    assert not machine.shut_down()


def test_a_refused_shutdown_is_repeated_and_then_forced(machine: BootedMachine) -> None:
    machine.command("shutdown", f'echo "$@" >>"{machine.folder}/shutdown"; exit 1')
    machine.boot()
    (machine.root / "collected").touch()
    wait_until((machine.folder / "poweroff").exists)
    assert (machine.folder / "poweroff").read_text().partition("\n")[0] == "-f"
    assert len((machine.folder / "shutdown").read_text().splitlines()) >= 3


def test_a_folder_that_is_somebody_elses_is_not_used(machine: BootedMachine) -> None:
    elsewhere = machine.folder / "elsewhere"
    elsewhere.mkdir()
    machine.root.symlink_to(elsewhere)
    text = user_data_script(owner=getpass.getuser(), lease_seconds=900, lifetime_seconds=3600)
    machine.script.write_text(text)
    machine.script.chmod(0o755)
    environment = {**os.environ, "TMPDIR": str(machine.folder / "tmp"), "CR_POLL": "0.1"}
    environment["PATH"] = f"{machine.bin}:{environment['PATH']}"
    with subprocess.Popen([machine.script], env=environment) as script:
        assert wait_until(machine.shut_down) == "-P now"
        script.kill()
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("owner", ["", "Root", "a b", "x;reboot", "-u", "a\nb", "a" * 33])
def test_only_user_names_are_put_into_the_script(owner: str) -> None:
    with pytest.raises(ValueError, match="user name"):
        user_data_script(owner=owner, lease_seconds=900, lifetime_seconds=3600)


def test_the_script_starts_with_its_interpreter_and_settings() -> None:
    lines = user_data_script(owner="ubuntu", lease_seconds=900, lifetime_seconds=28800).splitlines()
    assert lines[:4] == ["#!/bin/sh", "CR_OWNER=ubuntu", "CR_LEASE=900", "CR_LIFETIME=28800"]
