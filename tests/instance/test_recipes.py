# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipes of machine images, really run: Blender and its first frame are real, driver and package tools are not."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudrender_addon.instance import KINDS, agent_files, recipe_files
from cloudrender_addon.instance.blender_release import bring
from cloudrender_addon.instance.download import Mirror as Releases
from tests.localcloud import machine
from tests.localcloud.mirror import Mirror, installed_blenders, launcher_scripts
from tests.localcloud.serving import Serving

STANDIN = Path(machine.__file__).parent
KEYS = ("home/.ssh/authorized_keys", "home/.bash_history", "disk/root/.ssh/authorized_keys")
HOST_KEY = "disk/etc/ssh/ssh_host_ed25519_key"


@pytest.fixture(scope="module")
def releases():
    """Serve the releases that the wheels stand for."""
    from werkzeug.serving import make_server

    mirror = Mirror(launcher_scripts(installed_blenders()))

    def answer(environ, start):
        status, kind, body = mirror.get(environ["PATH_INFO"])
        start(f"{int(status)} Answered", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    serving = Serving(server)
    yield f"http://127.0.0.1:{server.server_port}"
    serving.stop()


@dataclass
class Builder:
    """A fresh machine's folders, with the agent and a recipe put there as the client does."""

    path: Path
    mirror: str
    driver: str = "580.95.05"
    gpu: str = "T4"
    blenders: str = "4.2"

    def __post_init__(self) -> None:
        for name in ("home/.ssh", "tmp/cloudrender/agent", "disk/etc/ssh", "disk/root/.ssh"):
            (self.path / name).mkdir(parents=True)
        for name in (*KEYS, HOST_KEY, "tmp/cloudrender/lease", "tmp/cloudrender/deadline", "tmp/cloudrender/x"):
            (self.path / name).touch()

    def run(self, kind: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        agent = self.path / "tmp/cloudrender/agent"
        agent.mkdir(exist_ok=True)
        for name, content in {**agent_files(), **recipe_files()}.items():
            (agent / name).write_bytes(content)
        return subprocess.run(
            ["/bin/sh", str(agent / f"bake_{kind}.sh"), *arguments],
            env=self.environ(),
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{STANDIN / 'nvidia'}:{STANDIN / 'shims'}:{os.environ['PATH']}",
            "HOME": str(self.path / "home"),
            "TMPDIR": str(self.path / "tmp"),
            "CR_PREFIX": str(self.path / "disk"),
            "CR_MIRROR": self.mirror,
            "CR_BLENDERS": self.blenders,
            "CLOUDRENDER_STANDIN_DRIVER": self.driver,
            "CLOUDRENDER_STANDIN_GPU": self.gpu,
        }

    @property
    def calls(self) -> str:
        """What the package tools were asked for."""
        log = self.path / "disk/var/log/calls"
        return log.read_text() if log.exists() else ""


@pytest.fixture
def builder(tmp_path: Path, releases: str) -> Builder:
    return Builder(tmp_path, releases)


def facts(ran: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return dict(re.findall(r"^::fact (\S+) (.*)$", ran.stdout, re.MULTILINE))


def test_an_image_for_graphics_gpus_and_once_more(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    found = facts(builder.run("g"))
    assert found["driver"] == "580.95.05" and found["gpu"] == "T4" and found["blender"] == "4.2.23"
    assert found["device"] == "OPTIX (NVIDIA T4 (stand-in))" and found["download"] == "4.2.23"
    assert found["finished"] == "yes"
    assert "blacklist nouveau" in (builder.path / "disk/etc/modprobe.d/cloudrender.conf").read_text()
    assert not [name for name in (*KEYS, HOST_KEY) if (builder.path / name).exists()]
    left = sorted(path.name for path in (builder.path / "tmp/cloudrender").iterdir())
    assert left == ["deadline", "lease"], "the dead-man switch reads these, and nothing else stays"
    assert "install" not in builder.calls and "cloud-init clean" in builder.calls
    assert builder.calls.count("update-initramfs") == 1
    began = time.monotonic()
    again = builder.run("g")
    assert found.pop("download") and facts(again) == found
    assert builder.calls.count("update-initramfs") == 1, "what is there already is not done again"
    assert time.monotonic() - began < 60
    tried = facts(builder.run("test", "g"))
    assert tried["device"] == found["device"] and "download" not in tried
    monkeypatch.setenv("HOME", str(builder.path / "home"))
    brought = bring(wanted="4.2", mirror=Releases("http://127.0.0.1:1"), folder=builder.path / "nowhere")
    assert (brought.source, brought.version) == ("image", "4.2.23"), "a job's agent finds it without a download"


def test_a_missing_driver_is_installed(builder: Builder) -> None:
    builder.driver = "none"
    found = facts(builder.run("p"))
    assert found["driver"] == "580.95.05"
    assert re.search(r"apt-get .*install .*linux-headers-\S+ nvidia-headless-580-server", builder.calls)
    assert "modprobe nvidia\n" in builder.calls


def test_trying_an_image_without_a_driver_installs_none(builder: Builder) -> None:
    builder.driver = "none"
    ran = builder.run("test", "g")
    assert ran.returncode == 1 and "::error There is no NVIDIA driver on this image" in ran.stdout
    assert "install" not in builder.calls


def test_without_gpu_no_driver_is_looked_at(builder: Builder) -> None:
    builder.driver = "mismatch"
    found = facts(builder.run("cpu"))
    assert found["device"] == "CPU" and "driver" not in found
    assert not (builder.path / "disk/etc/modprobe.d").exists()


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ("mismatch", "Failed to initialize NVML: Driver/library version mismatch"),
        ("silent", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."),
    ],
)
def test_a_driver_that_does_not_work_says_so_itself(builder: Builder, driver: str, words: str) -> None:
    builder.driver = driver
    ran = builder.run("g")
    assert ran.returncode == 1
    assert f"::error The NVIDIA driver does not work: {words}" in ran.stdout
    assert "::fact" not in ran.stdout and "Blender" not in ran.stdout


def test_a_gpu_that_blender_does_not_see_is_no_image(builder: Builder) -> None:
    builder.gpu = ""
    ran = builder.run("g")
    assert ran.returncode == 1 and "::fact finished" not in ran.stdout
    assert "::error The machine was rented for its GPU, but Blender sees none" in ran.stdout


def test_a_blender_that_there_is_not(builder: Builder) -> None:
    builder.blenders = "4.2 9.9"
    ran = builder.run("cpu")
    assert ran.returncode == 1 and "::fact finished" not in ran.stdout
    assert "::error" in ran.stdout and "9.9" in ran.stdout


def test_it_ends_when_nobody_listens(builder: Builder) -> None:
    agent = builder.path / "tmp/cloudrender/agent"
    for name, content in {**agent_files(), **recipe_files()}.items():
        (agent / name).write_bytes(content)
    endless = builder.path / "bin"
    endless.mkdir()
    (endless / "python3").write_text("#!/bin/sh\nexec sleep 4\n")
    (endless / "python3").chmod(0o755)
    environ = builder.environ()
    environ["PATH"] = f"{endless}:{environ['PATH']}"
    process = subprocess.Popen(["/bin/sh", str(agent / "bake_cpu.sh")], env=environ, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == 143  # a shell hears the signal when the tool in hand has ended


def test_recipes_are_there_for_each_kind() -> None:
    assert set(recipe_files()) == {"bake.sh", "bake_test.sh", *(f"bake_{kind}.sh" for kind in KINDS)}
