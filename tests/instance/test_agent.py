# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent renders a plan: order, crashes, resuming, and exactly one end."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudrender_addon.instance.journal import uptime
from tests.instance.agent_rig import Rig, wait_until
from tests.unit.small_png import png

TERMINAL = {"finished", "failed", "stopped"}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_frames_are_published_whole_and_announced(rig: Rig) -> None:
    rig.plan(1, 2, 3)
    rig.start()
    end = rig.end()
    assert (end["event"], end["frames"], end["failed"]) == ("finished", 3, [])
    names = [event["event"] for event in rig.events()]
    assert names[:4] == ["started", "blender_ready", "project_ready", "scene"]
    assert sum(name in TERMINAL for name in names) == 1
    for event in rig.named("frame"):
        [file] = event["files"]
        content = (rig.root / "frames" / file["name"]).read_bytes()
        assert content == png()
        assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert list((rig.root / "work").iterdir()) == []
    [ready] = rig.named("blender_ready")
    assert (ready["version"], ready["source"]) == ("4.2.23", "image")


def test_blender_gets_the_next_frame_before_the_last_one_is_published(rig: Rig) -> None:
    rig.plan(1, 2)
    rig.behave(frames={2: ["hold"]})
    rig.start()
    wait_until(lambda: rig.named("frame"))
    order = [(event["event"], event["frame"]) for event in rig.events() if "frame" in event]
    assert order == [("frame_started", 1), ("frame_started", 2), ("frame", 1)]
    rig.release()
    assert rig.end()["event"] == "finished"


def test_the_way_to_the_first_sample_is_in_the_log_by_the_machines_uptime(rig: Rig) -> None:
    rig.plan(1, 2)
    rig.behave(frames={1: ["sample"], 2: ["hold"]})
    booted = time.time() - uptime()
    answer = json.loads(rig.run("start").stdout)
    assert answer == {"uptime": pytest.approx(time.time() - booted, abs=5)}
    wait_until(lambda: rig.named("frame"))
    order = [event["event"] for event in rig.events() if event["event"] != "frame_started"]
    assert order == ["started", "blender_ready", "project_ready", "scene", "first_sample", "frame"]
    times = [event["uptime"] for event in rig.events()]
    assert times == sorted(times) and times[0] >= answer["uptime"]
    assert times[-1] == pytest.approx(rig.events()[-1]["at"] - booted, abs=5)
    assert json.loads(rig.run("start").stdout)["uptime"] > times[-1], "whoever comes later is told as well"
    rig.release()
    assert rig.end()["event"] == "finished" and len(rig.named("first_sample")) == 1


@pytest.mark.parametrize(("autoexec", "flag"), [(True, "-y"), (False, "-Y")])
def test_blender_is_told_about_scripts_before_the_file(rig: Rig, autoexec: bool, flag: str) -> None:
    rig.plan(1, autoexec=autoexec)
    rig.start()
    rig.end()
    arguments = json.loads((rig.bin / "arguments.json").read_text())
    file = str(rig.root / "project" / "a scene ü.blend")
    assert arguments.index(flag) < arguments.index(file) < arguments.index("-P")
    assert not {"-y", "-Y"} - {flag} & set(arguments)


def test_a_crash_is_retried_and_costs_no_other_frame(rig: Rig) -> None:
    rig.plan(1, 2, 3)
    rig.behave(frames={2: ["kill SIGSEGV"]})
    rig.start()
    assert rig.end()["event"] == "finished"
    assert [rig.attempts(frame) for frame in (1, 2, 3)] == [1, 2, 1]
    assert not rig.named("frame_failed")


def test_a_second_crash_sets_the_frame_aside(rig: Rig) -> None:
    rig.plan(1, 2, 3)
    rig.behave(frames={2: ["kill SIGSEGV", "kill SIGSEGV"]})
    rig.start()
    end = rig.end()
    assert (end["event"], end["frames"], end["failed"]) == ("finished", 2, [2])
    [failed] = rig.named("frame_failed")
    assert failed["frame"] == 2
    assert "SIGSEGV" in failed["reason"]
    assert failed["log"][-1] == "doing kill SIGSEGV"
    assert rig.attempts(2) == 2


def test_a_second_error_sets_the_frame_aside_without_a_new_blender(rig: Rig) -> None:
    rig.plan(1, 2, 3)
    rig.behave(frames={1: ["error no such image"] * 2})
    rig.start()
    assert rig.end()["failed"] == [1]
    [failed] = rig.named("frame_failed")
    assert failed["reason"] == "no such image"
    assert len((rig.bin / "pids").read_text().splitlines()) == 1


@pytest.mark.parametrize("frame", [1, 3])
def test_a_frame_that_was_cut_short_is_rendered_again(rig: Rig, frame: int) -> None:
    rig.plan(1, 2, 3)
    rig.behave(frames={frame: ["cut"]})
    rig.start()
    end = rig.end()
    assert (end["event"], end["frames"], end["failed"]) == ("finished", 3, [])
    assert rig.attempts(frame) == 2 and len(rig.named("frame")) == 3
    assert (rig.root / "frames" / f"{frame:04d}.png").read_bytes() == png()


def test_a_frame_that_was_cut_short_twice_is_set_aside(rig: Rig) -> None:
    rig.plan(1, 2, 3)
    rig.behave(frames={2: ["cut", "cut"]})
    rig.start()
    assert rig.end()["failed"] == [2]
    [failed] = rig.named("frame_failed")
    assert failed["reason"] == "Blender wrote 0002.png, which is no complete image: it is cut short"
    assert not (rig.root / "frames" / "0002.png").exists()


def test_rendering_gives_up_when_nothing_ever_works(rig: Rig) -> None:
    rig.plan(*range(1, 10))
    rig.behave(frames={frame: ["error Cannot render"] * 2 for frame in range(1, 10)})
    rig.start()
    end = rig.end()
    assert (end["event"], end["kind"]) == ("failed", "scene")
    assert "Cannot render" in end["message"]
    assert len(rig.named("frame_failed")) == 3


def test_a_file_that_kills_blender_twice_is_a_failure_of_the_scene(rig: Rig) -> None:
    rig.plan(1)
    rig.behave(load=["exit 1", "exit 1"])
    rig.start()
    end = rig.end()
    assert (end["event"], end["kind"]) == ("failed", "scene")
    assert "exit code 1" in end["message"]
    assert end["log"][-1] == "doing exit 1"


def test_a_file_that_kills_blender_once_is_rendered(rig: Rig) -> None:
    rig.plan(1)
    rig.behave(load=["kill SIGABRT"])
    rig.start()
    assert rig.end()["event"] == "finished"


def test_what_render_py_refuses_ends_the_job_in_its_words(rig: Rig) -> None:
    rig.plan(1)
    refusal = {"reply": "error", "kind": "gpu", "message": "no GPU", "hint": "another image"}
    rig.behave(load=[f"reply {json.dumps(refusal)}"])
    rig.start()
    end = rig.end()
    assert (end["event"], end["kind"], end["message"], end["hint"]) == ("failed", "gpu", "no GPU", "another image")


def test_a_full_disk_is_named(rig: Rig) -> None:
    rig.plan(1, 2)
    rig.behave(frames={1: ["error Could not write: No space left on device"]})
    rig.start()
    end = rig.end()
    assert (end["event"], end["kind"]) == ("failed", "disk")


def test_a_killed_agent_continues_and_renders_nothing_twice(rig: Rig) -> None:
    rig.plan(1, 2, 3)
    rig.behave(frames={2: ["hold"]})
    rig.start()
    wait_until(lambda: rig.named("frame"))
    [agent] = rig.pids()
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: not rig.pids())
    with (rig.root / "events.jsonl").open("ab") as log:
        log.write(b'{"event":"fra')  # killed in the middle of a line
    rig.release()
    rig.start()
    end = rig.end()
    assert (end["event"], end["frames"]) == ("finished", 3)
    assert [event["frame"] for event in rig.named("frame")] == [1, 2, 3]
    assert rig.attempts(1) == 1


def test_a_second_start_changes_nothing(rig: Rig) -> None:
    rig.plan(1)
    rig.behave(frames={1: ["hold"]})
    rig.start()
    rig.start()
    wait_until(lambda: len(rig.pids()) == 1)  # the second one sees the lock and goes
    rig.release()
    rig.end()
    before = rig.events()
    rig.start()  # it has ended
    wait_until(lambda: not rig.pids())
    assert rig.events() == before
    assert len(rig.named("started")) == 1


def test_sigterm_ends_blender_and_says_stopped(rig: Rig) -> None:
    rig.plan(1, 2)
    rig.behave(frames={2: ["hold"]})
    rig.start()
    wait_until(lambda: rig.attempts(2))
    [agent] = rig.pids()
    os.kill(agent, signal.SIGTERM)
    rig.release()
    assert rig.end()["event"] == "stopped"
    assert not rig.blenders()


def test_an_unforeseen_error_is_told_too(rig: Rig) -> None:
    rig.plan(1)
    (rig.root / "frames").write_text("in the way")
    rig.start()
    end = rig.end()
    assert (end["event"], end["kind"]) == ("failed", "agent")
    assert "FileExistsError" in end["message"]
    assert "Traceback" in (rig.root / "agent.log").read_text()


@pytest.mark.parametrize("plan", ["{", "[]", '{"frames": [1]}'])
def test_a_damaged_plan_is_refused_at_start(rig: Rig, plan: str) -> None:
    (rig.root / "plan.json").write_text(plan)
    done = rig.run("start")
    assert done.returncode == 1
    assert done.stderr.startswith(b"agent: ")
    assert not rig.events()


def test_the_plan_cannot_name_a_file_outside_the_project(rig: Rig) -> None:
    rig.plan(1, blend="../plan.json")
    rig.start()
    end = rig.end()
    assert (end["event"], end["kind"]) == ("failed", "agent")
    assert not (rig.bin / "arguments.json").exists()


def test_unknown_commands_are_refused(rig: Rig) -> None:
    assert rig.run("follow", "x").returncode == 2
    assert rig.run().returncode == 2


def test_memory_stays_small_while_a_large_frame_is_published(rig: Rig) -> None:
    size = 400_000_000
    rig.plan(1, 2)
    rig.behave(frames={1: [f"large {size}"], 2: ["hold"]})
    rig.start()
    wait_until(lambda: rig.named("frame"))
    [agent] = rig.pids()
    status = Path(f"/proc/{agent}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak <= 50_000  # kB
    assert rig.named("frame")[0]["files"][0]["size"] == size
    rig.release()
    assert rig.end()["event"] == "finished"
