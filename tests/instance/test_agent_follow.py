# SPDX-License-Identifier: GPL-3.0-or-later
"""A client reads the agent's log: from any byte, live, with a heartbeat, and never for ever."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance.agent_rig import Rig, wait_until


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


@pytest.fixture
def following(rig: Rig) -> Iterator[subprocess.Popen[bytes]]:
    process = rig.popen("follow", "0")
    yield process
    process.kill()
    process.wait()


def read_line(process: subprocess.Popen[bytes], *, seconds: float = 10.0) -> bytes:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    assert ready, "nothing came"
    return process.stdout.readline()


def append(rig: Rig, text: bytes) -> None:
    with (rig.root / "events.jsonl").open("ab") as log:
        log.write(text)


@pytest.fixture
def alive(rig: Rig) -> Iterator[None]:
    """An agent's lock that is held."""
    with (rig.root / "agent.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def lines_of(output: bytes) -> list[bytes]:
    return [line for line in output.split(b"\n") if line]


def test_everything_is_read_up_to_the_end(rig: Rig) -> None:
    rig.plan(1, 2)
    rig.start()
    followed = rig.run("follow", "0")
    assert followed.returncode == 0
    assert [json.loads(line) for line in lines_of(followed.stdout)] == rig.events()
    assert rig.events()[-1]["event"] == "finished"


def test_reading_goes_on_at_an_offset(rig: Rig) -> None:
    rig.plan(1, 2)
    rig.start()
    rig.end()
    raw = (rig.root / "events.jsonl").read_bytes()
    for offset in (0, raw.index(b"\n") + 1, len(raw)):
        followed = rig.run("follow", str(offset))
        assert followed.returncode == 0
        assert lines_of(followed.stdout) == lines_of(raw[offset:])
    assert rig.run("dump").stdout == raw


@pytest.mark.usefixtures("alive")
def test_only_whole_lines_come_and_they_come_at_once(rig: Rig, following: subprocess.Popen[bytes]) -> None:
    assert read_line(following) == b"\n"
    append(rig, b'{"event":"star')
    begun = time.monotonic()
    assert read_line(following) == b"\n"  # the heartbeat, not the half line
    assert 0.5 < time.monotonic() - begun < 4
    append(rig, b'ted"}\n')
    assert read_line(following) == b'{"event":"started"}\n'


@pytest.mark.usefixtures("alive")
def test_a_follower_keeps_the_machine_alive(rig: Rig, following: subprocess.Popen[bytes]) -> None:
    uptime = int(Path("/proc/uptime").read_text().split(".")[0])
    read_line(following)
    lease = rig.root / "lease"
    first = wait_until(lambda: lease.exists() and int(lease.read_text()))
    assert uptime + 900 <= first <= uptime + 910
    wait_until(lambda: int(lease.read_text()) > first)


@pytest.mark.usefixtures("alive")
def test_a_follower_ends_with_its_reader(rig: Rig) -> None:
    process = rig.popen("follow", "0")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(10) == 0


def test_a_killed_agent_is_noticed(rig: Rig, following: subprocess.Popen[bytes]) -> None:
    rig.plan(1)
    rig.behave(frames={1: ["hold"]})
    rig.start()
    wait_until(lambda: rig.attempts(1))
    [agent] = rig.pids()
    os.kill(agent, signal.SIGKILL)
    output, _ = following.communicate(timeout=10)
    last = json.loads(lines_of(output)[-1])
    assert (last["event"], last["kind"]) == ("failed", "agent")
    assert "memory" in last["message"]
    assert rig.events()[-1] == last
    assert following.returncode == 0


def test_an_agent_that_never_started_is_waited_for(rig: Rig, following: subprocess.Popen[bytes]) -> None:
    assert [read_line(following) for _ in range(2)] == [b"\n", b"\n"]
    assert following.poll() is None
    assert rig.events() == []


def test_frames_collected_is_a_file(rig: Rig) -> None:
    assert rig.run("collected").returncode == 0
    assert (rig.root / "collected").exists()


def test_a_renewal_keeps_the_machine_alive(rig: Rig) -> None:
    uptime = int(Path("/proc/uptime").read_text().split(".")[0])
    assert rig.run("renew").returncode == 0
    assert uptime + 900 <= int((rig.root / "lease").read_text()) <= uptime + 910
