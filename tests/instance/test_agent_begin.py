# SPDX-License-Identifier: GPL-3.0-or-later
"""`begin`: a machine that was kept is emptied for the next job, and what is dear stays."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance.agent_rig import Rig, wait_until

STAYS = {"agent", "agent.lock", "blender", "store", "lease", "lease_seconds", "deadline", "lifetime", "job"}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    for name in ("lease", "deadline", "lifetime"):
        (rig.root / name).write_text("1000000\n")
    yield rig
    rig.close()


def start(rig: Rig) -> None:
    assert rig.run("start").returncode == 0


def begin(rig: Rig, job: str = "second") -> subprocess.CompletedProcess[bytes]:
    return rig.run("begin", job)


def names(rig: Rig) -> set[str]:
    return {path.name for path in rig.root.iterdir()}


def test_all_of_the_job_before_goes_and_the_next_one_renders(rig: Rig) -> None:
    rig.plan(1, 2)
    start(rig)
    assert rig.end()["event"] == "finished" and (rig.root / "frames" / "0001.png").exists()
    (rig.root / "blender" / "4.2.23").mkdir(parents=True)
    (rig.root / "store").mkdir()
    (rig.root / "store" / "abcd").write_bytes(b"content")
    (rig.root / "project.part").mkdir()
    (rig.root / "link").symlink_to(rig.bin)  # whatever a later version leaves

    begun = begin(rig)
    assert begun.returncode == 0, begun.stderr
    assert names(rig) == STAYS and (rig.bin / "blender").exists()
    assert (rig.root / "store" / "abcd").read_bytes() == b"content" and (rig.root / "blender" / "4.2.23").is_dir()

    (rig.root / "project").mkdir()
    (rig.root / "project" / "a scene ü.blend").write_bytes(b"BLENDER")
    rig.plan(2, 3)
    start(rig)
    assert rig.end()["event"] == "finished"
    assert [event["frame"] for event in rig.named("frame")] == [2, 3]
    assert begin(rig, "third").returncode == 0 and names(rig) == STAYS


def test_the_same_job_begins_once(rig: Rig) -> None:
    """A client that did not hear the answer asks again."""
    assert begin(rig).returncode == 0
    (rig.root / "project").mkdir()
    assert begin(rig).returncode == 0 and "project" in names(rig)
    assert rig.events() == [] and rig.run("dump").stdout == b""


def test_it_refuses_while_the_job_before_renders(rig: Rig) -> None:
    rig.behave(frames={1: ["hold"]})
    rig.plan(1)
    start(rig)
    wait_until(lambda: rig.named("frame_started"))
    refused = begin(rig)
    assert refused.returncode == 1 and b"still rendering" in refused.stderr
    rig.release()
    assert rig.end()["event"] == "finished" and (rig.root / "frames" / "0001.png").exists()


def test_it_refuses_on_a_machine_that_is_ending(rig: Rig) -> None:
    (rig.root / "collected").touch()
    refused = begin(rig)
    assert refused.returncode == 1 and b"ending" in refused.stderr
    assert {"collected", "project"} <= names(rig)


def test_it_refuses_where_nobody_could_let_it_live_on(rig: Rig) -> None:
    """As on a machine that an earlier version has rented."""
    (rig.root / "lifetime").unlink()
    assert begin(rig).returncode == 1 and "project" in names(rig)


def test_extend_takes_two_numbers(rig: Rig) -> None:
    assert rig.run("extend", "900", "60").returncode == 0
    assert (rig.root / "lease_seconds").read_text() == "60\n"
    for words in (["extend"], ["extend", "900"], ["extend", "-1", "60"], ["begin"], ["begin", ""], ["begin", "b", "c"]):
        assert rig.run(*words).returncode == 2
