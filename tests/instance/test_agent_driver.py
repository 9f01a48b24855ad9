# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent brings NVIDIA's driver where the image has none. Package tools and driver are those of the stand-in."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.instance.agent_rig import Rig, wait_until
from tests.localcloud import machine
from tests.localcloud.gpu_machine import furnish

SHIMS = Path(machine.__file__).parent / "shims"


class GpuRig(Rig):
    """A machine with a GPU, and a plan that wants it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.system = folder / "system"
        self.environment["PATH"] = f"{self.system / 'usr/bin'}:{self.bin}:{SHIMS}:{os.environ['PATH']}"
        self.plan(1, gpu=True)

    def gpu(self, name: str | None, *, driver: str | None = None, switches: bool = False) -> None:
        furnish(self.system, gpu=name, switches=switches, driver=driver)
        self.environment["CLOUDRENDER_STANDIN_GPU"] = name or ""

    def tool(self, name: str, script: str) -> None:
        """Put a program in the place of one of the shims."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def steps(self) -> list[str]:
        return [event["text"] for event in self.named("step")]

    @property
    def calls(self) -> str:
        log = self.system / "var/log/calls"
        return log.read_text() if log.exists() else ""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[GpuRig]:
    rig = GpuRig(tmp_path)
    yield rig
    rig.close()


@pytest.mark.parametrize(("gpu", "modules"), [("V100", "closed"), ("M60", "closed"), ("T4", "open"), ("B200", "open")])
def test_the_driver_that_fits_the_gpu_is_installed_before_blender_is_brought(
    rig: GpuRig, gpu: str, modules: str
) -> None:
    rig.gpu(gpu)
    rig.start()
    assert rig.end()["event"] == "finished"
    assert rig.steps == ["Looking at the NVIDIA driver", "Installing the NVIDIA driver"]
    names = [event["event"] for event in rig.events()]
    assert names.index("step") < names.index("driver_ready") < names.index("blender_ready")
    assert (rig.system / "var/lib/nvidia/modules").read_text().strip() == modules
    assert "fabricmanager" not in rig.calls


def test_switches_between_gpus_are_set_up(rig: GpuRig) -> None:
    rig.gpu("A100", switches=True)
    rig.start()
    assert rig.end()["event"] == "finished"
    assert (rig.system / "var/lib/nvidia/switches").exists()


@pytest.mark.parametrize(("gpu", "driver"), [("T4", "open"), (None, None)], ids=["a driver", "no GPU of NVIDIA's"])
def test_nothing_is_installed_where_nothing_is_missing(rig: GpuRig, gpu: str | None, driver: str | None) -> None:
    rig.gpu(gpu, driver=driver)
    rig.start()
    assert rig.end()["event"] == "finished"
    assert rig.steps == [] and rig.calls == "" and not rig.named("driver_ready")


def test_a_plan_without_gpu_needs_no_driver(rig: GpuRig) -> None:
    rig.gpu("V100")
    rig.plan(1)
    rig.start()
    assert rig.end()["event"] == "finished" and rig.calls == ""


def test_what_the_package_tool_says_last_is_told(rig: GpuRig) -> None:
    rig.gpu("V100")
    rig.tool("apt-get", 'echo "Reading package lists..."; echo "E: Unable to fetch some archives" >&2; exit 100')
    rig.start()
    end = rig.end()
    assert (end["event"], end["kind"]) == ("failed", "gpu")
    assert end["message"] == "The NVIDIA driver cannot be installed: E: Unable to fetch some archives"
    assert "Image (--image)" in end["hint"] and "Reading package lists..." in end["log"]
    assert not rig.named("blender_ready"), "no Blender is brought for a machine that cannot render"


def test_a_driver_that_does_not_work_once_it_is_there(rig: GpuRig) -> None:
    rig.gpu("V100")
    rig.environment["CLOUDRENDER_STANDIN_DRIVER"] = "silent"  # its module does not load
    rig.start()
    end = rig.end()
    assert end["kind"] == "gpu"
    assert end["message"].startswith("The NVIDIA driver does not work: NVIDIA-SMI has failed because it couldn't")


def test_a_system_without_apt(rig: GpuRig) -> None:
    rig.gpu("T4")
    tools = rig.bin.parent / "few"
    tools.mkdir()
    for name in ("sh", "cat", "uname", "head", "grep", "tail", "sudo", "python3"):
        source = SHIMS / name if name == "sudo" else Path("/usr/bin") / name
        if source.exists():
            (tools / name).symlink_to(source)
    rig.environment["PATH"] = f"{rig.bin}:{tools}"
    rig.start()
    end = rig.end()
    assert end["kind"] == "gpu" and "no apt-get to install one with" in end["message"]


def test_the_tools_end_with_the_agent(rig: GpuRig, tmp_path: Path) -> None:
    rig.gpu("V100")
    rig.tool("apt-get", f"echo $$ >{tmp_path}/pid; exec sleep 60")
    rig.start()
    pid = int(wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    for agent in rig.pids():
        os.kill(agent, signal.SIGTERM)
    assert rig.end()["reason"] == "shutdown"
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text())
