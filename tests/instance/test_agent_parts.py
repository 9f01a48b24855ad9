# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's parts that a whole run does not corner: the lease, the logs, publishing, devices, old Pythons."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloudrender_addon import instance
from cloudrender_addon.instance import lease
from cloudrender_addon.instance.blender_log import keep_bounded, last_lines
from cloudrender_addon.instance.cycles_devices import choose_device
from cloudrender_addon.instance.failure import Failure
from cloudrender_addon.instance.journal import Journal, take_lock
from cloudrender_addon.instance.progress import Progress
from cloudrender_addon.instance.publish import publish
from cloudrender_addon.instance.root import Root


def test_what_is_shipped_is_understood_by_old_pythons() -> None:
    files = instance.agent_files()
    assert {"agent.py", "render.py", "__init__.py"} <= files.keys()
    assert [name for name in files if not name.endswith(".py")] == ["driver.sh"]
    for name, content in files.items():
        if name.endswith(".py"):
            ast.parse(content, name, feature_version=(3, 8))


# -- lease ----------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "lease_seconds").write_text("900\n")
    (tmp_path / "lease").write_text("99999999999\n")
    return Root(tmp_path)


def test_the_lease_is_renewed_by_uptime(root: Root) -> None:
    lease.renew(root)
    assert lease.uptime() + 899 <= int(root.lease.read_text()) <= lease.uptime() + 900
    assert sorted(path.name for path in root.path.iterdir()) == ["lease", "lease_seconds"]


def test_the_lease_is_renewed_on_a_full_disk(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    lease.renew(root)
    assert int(root.lease.read_text()) <= lease.uptime() + 900


# -- journal --------------------------------------------------------------------------------------------


def test_a_torn_line_is_dropped_and_the_log_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "events.jsonl")
    journal.append("started", version=1)
    with journal.path.open("ab") as log:
        log.write(b'{"event":"finis')
    assert not journal.ended()
    journal.drop_torn_line()
    journal.append("failed", kind="agent")
    assert [event["event"] for event in journal.read()] == ["started", "failed"]
    assert journal.ended()


def test_an_event_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "events.jsonl")
    journal.append("started", version=1)
    before = journal.path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:5]))
    with pytest.raises(OSError, match="No space left"):
        journal.append("finished", frames=1)
    assert journal.path.read_bytes() == before


def test_the_lock_is_held_by_one(tmp_path: Path) -> None:
    first = take_lock(tmp_path / "lock")
    assert first is not None
    assert take_lock(tmp_path / "lock") is None
    os.close(first)
    second = take_lock(tmp_path / "lock")
    assert second is not None
    os.close(second)


# -- progress -------------------------------------------------------------------------------------------


def test_frames_settled_before_are_not_taken_again() -> None:
    events = [{"event": "frame", "frame": 1}, {"event": "frame_failed", "frame": 2}]
    progress = Progress([1, 2, 3, 3], events)
    assert [progress.take(), progress.take()] == [3, None]


def test_a_failed_frame_comes_again_after_the_others() -> None:
    progress = Progress([1, 2])
    assert progress.take() == 1
    assert not progress.fault(1)
    assert [progress.take(), progress.take()] == [2, 1]
    assert progress.fault(1)
    assert progress.failed == [1]


# -- publishing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../agent/agent.py", "/etc/passwd", ".hidden", "a b.png", ""])
def test_only_plain_names_are_published(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain"):
        publish([name], written=tmp_path, frames=tmp_path)


def test_a_link_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "0001.png").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match=r"0001\.png"):
        publish(["0001.png"], written=tmp_path, frames=tmp_path)


# -- Blender's log --------------------------------------------------------------------------------------


def test_progress_lines_do_not_push_out_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "blender.log"
    progress = [f"Fra:1 Mem:10M (Peak 12M) | Rendering | Sample {n}/500" for n in range(500)]
    log.write_text("\n".join(["old", "Error: something is wrong", *progress, ""]))
    assert last_lines(log) == ["old", "Error: something is wrong", progress[-1]]
    assert last_lines(tmp_path / "none") == []


def test_the_log_is_cut_down_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "blender.log"
    with log.open("ab") as blender:
        blender.write(b"a line\n" * 1000 + b"the last\n")
        blender.flush()
        keep_bounded(log, limit=1_000_000)
        assert log.stat().st_size > 7000
        keep_bounded(log, limit=1000)
        assert log.stat().st_size < 1100
        blender.write(b"goes on\n")
    assert last_lines(log)[-2:] == ["the last", "goes on"]


# -- devices --------------------------------------------------------------------------------------------


class Preferences:
    """Those of the Cycles add-on, on a machine with the given devices, as (type, name)."""

    def __init__(self, *devices: tuple[str, str], built: tuple[str, ...] = ("OPTIX", "CUDA", "HIP")) -> None:
        self.devices = [SimpleNamespace(type=kind, name=name, use=False) for kind, name in devices]
        self.built = built

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "compute_device_type" and value not in self.built:
            raise TypeError(f'enum "{value}" not found')
        super().__setattr__(name, value)

    def get_devices_for_type(self, kind: str) -> list[Any]:
        return [device for device in self.devices if device.type in {kind, "CPU"}]


def scene(*, device: str = "GPU", engine: str = "CYCLES", osl: bool = False) -> Any:
    cycles = SimpleNamespace(device=device, shading_system=osl)
    return SimpleNamespace(render=SimpleNamespace(engine=engine), cycles=cycles)


def test_every_device_of_the_best_backend_is_used_and_nothing_else() -> None:
    devices = [("CUDA", "L4"), ("OPTIX", "L4"), ("OPTIX", "L4 (2)"), ("CPU", "Xeon")]
    preferences = Preferences(*devices)
    chosen = choose_device(scene(), preferences=preferences, gpu=True)
    assert (chosen.kind, list(chosen.names), list(chosen.notes)) == ("OPTIX", ["L4", "L4 (2)"], [])
    assert preferences.compute_device_type == "OPTIX"
    assert [device.use for device in preferences.devices] == [False, True, True, False]


def test_the_next_backend_is_taken_when_the_best_is_missing() -> None:
    preferences = Preferences(("CUDA", "T4"), ("CPU", "Xeon"), built=("CUDA",))
    chosen = choose_device(scene(osl=True), preferences=preferences, gpu=True)
    assert (chosen.kind, list(chosen.names)) == ("CUDA", ["T4"])
    assert "Open Shading Language" in chosen.notes[0]


def test_a_rented_gpu_is_used_even_if_the_scene_asks_for_the_cpu() -> None:
    asked = scene(device="CPU")
    chosen = choose_device(asked, preferences=Preferences(("HIP", "V520")), gpu=True)
    assert (chosen.kind, asked.cycles.device) == ("HIP", "GPU")
    assert "CPU" in chosen.notes[0]


def test_a_missing_gpu_is_an_error_and_no_slow_render() -> None:
    with pytest.raises(Failure, match=r"Blender sees none \(OPTIX, CUDA, HIP, ONEAPI were tried\)") as caught:
        choose_device(scene(), preferences=Preferences(("CPU", "Xeon")), gpu=True)
    assert caught.value.kind == "gpu"
    assert "driver" in caught.value.hint


@pytest.mark.parametrize("engine", ["CYCLES", "BLENDER_EEVEE_NEXT"])
def test_a_driver_that_does_not_work_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho Failed to initialize NVML: Driver/library version mismatch\nexit 18\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(Failure, match=r"\(the NVIDIA driver: Failed to initialize NVML: Driver/library") as caught:
        choose_device(scene(engine=engine), preferences=Preferences(("CPU", "Xeon")), gpu=True)
    assert caught.value.kind == "gpu"
    program.write_text("#!/bin/sh\n")
    assert choose_device(scene(engine="BLENDER_EEVEE_NEXT"), preferences=Preferences(), gpu=True).kind == "GPU"


def test_a_machine_without_gpu_renders_on_its_cpu_and_says_so() -> None:
    asked = scene(device="GPU")
    chosen = choose_device(asked, preferences=None, gpu=False)
    assert (chosen.kind, asked.cycles.device) == ("CPU", "CPU")
    assert len(chosen.notes) == 1
    assert not choose_device(scene(device="CPU"), preferences=None, gpu=False).notes
