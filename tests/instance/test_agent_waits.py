# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent brings Blender while the project is sent, and waits for it."""

from __future__ import annotations

import functools
import http.server
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance.agent_rig import Rig, wait_until
from tests.instance.test_agent_interruption import MetadataService


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A machine whose project has not arrived."""
    rig = Rig(tmp_path)
    (rig.root / "project").rename(rig.root / "sent later")
    (rig.root / "lease_seconds").write_text("3\n")  # renewed every second, if at all
    rig.plan(1, 2)
    yield rig
    rig.close()


def arrive(rig: Rig) -> None:
    (rig.root / "sent later").rename(rig.root / "project")


def waiting(rig: Rig) -> None:
    rig.start()
    wait_until(lambda: rig.named("blender_ready"))


def test_blender_is_brought_before_the_project_is_there(rig: Rig) -> None:
    waiting(rig)
    assert not (rig.bin / "pids").exists()
    arrive(rig)
    assert rig.end()["event"] == "finished"
    assert [event["frame"] for event in rig.named("frame")] == [1, 2]


def test_nobody_keeps_a_machine_alive_whose_client_is_gone(rig: Rig) -> None:
    waiting(rig)
    time.sleep(2)
    assert not (rig.root / "lease").exists()
    rig.behave(frames={1: ["hold"]})
    arrive(rig)
    wait_until((rig.root / "lease").exists)
    rig.release()
    assert rig.end()["event"] == "finished"


def test_sigterm_while_waiting_is_told(rig: Rig) -> None:
    waiting(rig)
    [pid] = rig.pids()
    os.kill(pid, signal.SIGTERM)
    assert (rig.end()["event"], rig.end()["reason"]) == ("stopped", "shutdown")


def test_the_notice_while_waiting_is_told(rig: Rig) -> None:
    metadata = MetadataService()
    rig.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata.url
    try:
        waiting(rig)
        metadata.announce(110)
        assert (rig.end()["event"], rig.end()["reason"]) == ("stopped", "interruption")
    finally:
        metadata.server.shutdown()
        metadata.server.server_close()


def test_an_agent_killed_while_waiting_is_started_again(rig: Rig) -> None:
    waiting(rig)
    [pid] = rig.pids()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not rig.pids())
    rig.start()
    arrive(rig)
    assert rig.end()["event"] == "finished"


def test_a_blender_that_cannot_be_had_fails_without_the_project(rig: Rig, tmp_path: Path) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "none"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as mirror:
        threading.Thread(target=mirror.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        rig.plan(1, blender="4.3", mirror=f"http://127.0.0.1:{mirror.server_port}")
        rig.start()
        assert (rig.end()["event"], rig.end()["kind"]) == ("failed", "blender")
        mirror.shutdown()
