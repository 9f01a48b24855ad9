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
from tests.cloud.command import wait_for
from tests.localcloud import machine
from tests.localcloud.gpu_machine import furnish
from tests.localcloud.mirror import Mirror, installed_blenders, launcher_scripts
from tests.localcloud.serving import Serving

STANDIN = Path(machine.__file__).parent
KEYS = ("home/.ssh/authorized_keys", "home/.bash_history", "disk/root/.ssh/authorized_keys")
HOST_KEY = "disk/etc/ssh/ssh_host_ed25519_key"
LOGS = ("disk/var/log/auth.log", "disk/var/log/journal/4f1e/system.journal")


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
    modules: str | None = "open"
    switches: bool = False
    blenders: str = "4.2"

    def __post_init__(self) -> None:
        for name in (
            "home/.ssh",
            "tmp/cloudrender/agent",
            "disk/etc/ssh",
            "disk/root/.ssh",
            "disk/var/log/journal/4f1e",
        ):
            (self.path / name).mkdir(parents=True)
        (self.path / "disk/etc/machine-id").write_text("4f1e\n")
        for name in (*KEYS, HOST_KEY, *LOGS, "tmp/cloudrender/lease", "tmp/cloudrender/deadline", "tmp/cloudrender/x"):
            (self.path / name).touch()

    def run(self, kind: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(kind, *arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, kind: str, *arguments: str) -> subprocess.Popen[str]:
        if not (self.path / "disk/sys").exists():
            furnish(self.path / "disk", gpu=self.gpu, switches=self.switches, driver=self.modules)
        agent = self.path / "tmp/cloudrender/agent"
        agent.mkdir(exist_ok=True)
        for name, content in {**agent_files(), **recipe_files()}.items():
            (agent / name).write_bytes(content)
        return subprocess.Popen(
            ["/bin/sh", str(agent / f"bake_{kind}.sh"), *arguments],
            env=self.environ(),
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def put_tool(self, name: str, script: str) -> None:
        """Put a tool before the one that the machine has."""
        (self.path / "tools.d").mkdir(exist_ok=True)
        tool = self.path / "tools.d" / name
        tool.write_text(script)
        tool.chmod(0o755)

    def have_blender(self) -> None:
        """Leave out bringing Blender and its first frame from now on: they take most of the time."""
        self.put_tool("python3", "#!/bin/sh\n")

    def take_tool(self, name: str) -> None:
        (self.path / "tools.d" / name).unlink()

    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.path / 'tools.d'}:{self.path / 'disk/usr/bin'}:{STANDIN / 'shims'}:{os.environ['PATH']}",
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
    facts(builder.run("clean"))
    assert found["driver"] == "580.95.05" and found["gpu"] == "T4" and found["blender"] == "4.2.23"
    assert found["device"] == "OPTIX (NVIDIA T4 (stand-in))" and found["download"] == "4.2.23"
    assert found["finished"] == "yes"
    assert "blacklist nouveau" in (builder.path / "disk/etc/modprobe.d/cloudrender.conf").read_text()
    assert not [name for name in (*KEYS, *LOGS, HOST_KEY) if (builder.path / name).exists()]
    assert (builder.path / "disk/etc/machine-id").read_text() == "", "a file that is empty, not one that is missing"
    left = sorted(path.name for path in (builder.path / "tmp/cloudrender").iterdir())
    assert left == ["deadline", "lease"], "the dead-man switch reads these, and nothing else stays"
    assert "--no-install-recommends" not in builder.calls and "cloud-init clean" in builder.calls
    assert builder.calls.count("update-initramfs") == 1
    began = time.monotonic()
    again = builder.run("g")
    repeated = facts(again)
    assert all(0.0 < float(each.pop("sampled")) < 60.0 for each in (found, repeated))
    assert found.pop("download") and repeated == found
    assert builder.calls.count("update-initramfs") == 1, "what is there already is not done again"
    assert time.monotonic() - began < 60
    tried = facts(builder.run("test", "g"))
    assert tried["device"] == found["device"] and "download" not in tried and float(tried["sampled"]) > 0.0
    monkeypatch.setenv("HOME", str(builder.path / "home"))
    monkeypatch.setattr(subprocess, "run", nothing_is_to_be_run)
    brought = bring(wanted="4.2", mirror=Releases("http://127.0.0.1:1"), folder=builder.path / "nowhere")
    assert (brought.source, brought.version) == ("image", "4.2.23"), "a job's agent finds it without a download"
    assert os.access(brought.executable, os.X_OK)


def nothing_is_to_be_run(*arguments: object, **_: object) -> None:
    pytest.fail(f"a job on a baked image has to run nothing, but ran {arguments}")


KERNEL = os.uname().release


def installed(calls: str) -> list[str]:
    """Return the packages that the last `apt-get install` was asked for."""
    words = [line for line in calls.splitlines() if " install -y --no-install" in line][-1].split()
    return [word for word in words[words.index("install") :] if not word.startswith("-")][1:]


@pytest.mark.parametrize(
    ("kind", "gpu", "open_"), [("g", "T4", "-open"), ("g", "RTX PRO Server 6000", "-open"), ("p3", "V100", "")]
)
def test_a_missing_driver_is_installed_for_the_gpu_at_hand_and_only_once(
    builder: Builder, kind: str, gpu: str, open_: str
) -> None:
    builder.modules, builder.gpu = None, gpu
    found = facts(builder.run(kind))
    assert (found["driver"], found["gpu"]) == ("580.95.05", gpu)
    assert found["device"] == f"OPTIX (NVIDIA {gpu} (stand-in))"
    assert installed(builder.calls) == [
        f"nvidia-headless-no-dkms-580-server{open_}",
        "libnvidia-gl-580-server",
        "nvidia-utils-580-server",
        "nvidia-modprobe",
        f"linux-modules-nvidia-580-server{open_}-{KERNEL}",
    ]
    assert "modprobe nvidia\n" in builder.calls and "modprobe nvidia-uvm\n" in builder.calls
    assert "apt-mark hold linux-aws\n" in builder.calls
    assert re.search(
        rf"apt-mark hold .*linux-modules-nvidia-580-server{open_}-.*nvidia-utils-580-server", builder.calls
    )
    before = builder.calls.count("--no-install-recommends")
    builder.have_blender()
    again = facts(builder.run(kind))
    assert {name: again[name] for name in ("driver", "gpu", "finished")}.items() <= found.items()
    assert builder.calls.count("--no-install-recommends") == before, "what is there is not installed again"


def test_compute_gpus_get_what_sets_up_their_switches(builder: Builder) -> None:
    builder.modules, builder.gpu = None, "H100"  # one alone, as p5.4xlarge has: the image is for those with eight, too
    assert facts(builder.run("p"))["device"] == "OPTIX (NVIDIA H100 (stand-in))"
    assert "nvidia-fabricmanager-580" in installed(builder.calls)
    assert (builder.path / "disk/var/lib/nvidia/switches").exists()
    before = builder.calls.count("--no-install-recommends")
    builder.have_blender()
    assert facts(builder.run("p"))["finished"] == "yes"
    assert builder.calls.count("--no-install-recommends") == before


def test_modules_that_nobody_has_built_are_compiled(builder: Builder) -> None:
    builder.modules, builder.gpu = None, "V100"
    lacking(builder, "linux-modules-nvidia-")
    builder.have_blender()
    assert facts(builder.run("p3"))["gpu"] == "V100"
    assert {"nvidia-dkms-580-server", f"linux-headers-{KERNEL}"} <= set(installed(builder.calls))


def test_a_kernel_that_was_updated_meanwhile_gets_its_modules(builder: Builder) -> None:
    builder.modules = None
    (builder.path / "disk/lib/modules/7.0.0-1015-aws").mkdir(parents=True)
    builder.have_blender()
    facts(builder.run("g"))
    modules = [name for name in installed(builder.calls) if name.startswith("linux-modules-nvidia-")]
    assert modules == [f"linux-modules-nvidia-580-server-open-{each}" for each in sorted([KERNEL, "7.0.0-1015-aws"])]


def test_a_driver_that_cannot_be_installed(builder: Builder) -> None:
    builder.modules = None
    lacking(builder, "libnvidia-gl")
    ran = builder.run("g")
    assert ran.returncode == 1 and "Blender" not in ran.stdout
    why = "E: Unable to locate package libnvidia-gl-580-server"
    assert f"::error The NVIDIA driver cannot be installed: {why}\n::hint " in ran.stdout


def lacking(builder: Builder, package: str) -> None:
    apt = builder.path / "disk/etc/apt"
    apt.mkdir()
    (apt / "lacking").write_text(f"{package}\n")


@pytest.mark.parametrize(("kind", "gpu", "modules"), [("p3", "V100", "open"), ("g", "RTX PRO Server 6000", "closed")])
def test_modules_of_the_wrong_kind_find_no_gpu(builder: Builder, kind: str, gpu: str, modules: str) -> None:
    builder.gpu, builder.modules = gpu, modules
    ran = builder.run(kind)
    assert ran.returncode == 1
    assert "::error The NVIDIA driver does not work: No devices were found\n" in ran.stdout


def test_trying_an_image_without_a_driver_installs_none(builder: Builder) -> None:
    builder.modules = None
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
    builder.gpu, builder.switches = "A100", True
    furnish(builder.path / "disk", gpu="A100", switches=True, driver="open")
    (builder.path / "disk/var/lib/nvidia/switches").unlink()  # the service that sets them up does not run
    ran = builder.run("p")
    assert ran.returncode == 1 and "::fact finished" not in ran.stdout
    assert "::error The machine was rented for its GPU, but Blender sees none" in ran.stdout


def test_a_machine_without_gpu_makes_no_image_for_gpus(builder: Builder) -> None:
    builder.gpu, builder.modules = "", None
    ran = builder.run("g")
    assert ran.returncode == 1 and "::error There is no NVIDIA GPU in this machine" in ran.stdout


def test_a_blender_that_there_is_not(builder: Builder) -> None:
    builder.blenders = "4.2 9.9"
    ran = builder.run("cpu")
    assert ran.returncode == 1 and "::fact finished" not in ran.stdout
    assert "::error" in ran.stdout and "9.9" in ran.stdout


def test_it_ends_when_nobody_listens(builder: Builder) -> None:
    builder.put_tool("python3", "#!/bin/sh\nexec sleep 4\n")
    process = builder.start("cpu")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == 143  # a shell hears the signal when the tool in hand has ended


def test_two_never_run_at_once(builder: Builder) -> None:
    """The client is gone and back: what the first run has in hand ends before the second one begins."""
    log = builder.path / "tools"
    tool = f'#!/bin/sh\necho "$$ begins" >>{log}\nsleep 1.5\necho "$$ ends" >>{log}\n'
    builder.put_tool("python3", tool)
    first = builder.start("cpu")
    assert first.stdout is not None
    first.stdout.readline()
    wait_for(log.exists, "the first run's tool")
    first.stdout.close()
    second = builder.run("cpu")
    assert first.wait(timeout=20) != 0, "it ended, as nobody listened"
    assert "::step Waiting for what is still under way" in second.stdout and "::fact finished" in second.stdout
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [word for _, word in lines] == ["begins", "ends"] * 2 and lines[0][0] == lines[1][0]


def test_what_apt_says_last_is_told(builder: Builder) -> None:
    builder.driver = "none"
    locked = "E: Could not get lock /var/lib/dpkg/lock"
    builder.put_tool("apt-get", f"#!/bin/sh\necho Reading\necho '{locked}' >&2\nexit 100\n")
    ran = builder.run("g")
    assert ran.returncode == 1 and "::fact" not in ran.stdout
    assert f"::error packages install -y failed: {locked}" in ran.stdout
    assert "Reading" in ran.stdout


def test_a_step_that_was_cut_off_is_done_again(builder: Builder) -> None:
    """The file is there, but what it is for was not done: the machine must not start with the other driver."""
    builder.put_tool("update-initramfs", "#!/bin/sh\necho no room >&2\nexit 1\n")
    ran = builder.run("g")
    assert ran.returncode == 1 and "no room" in ran.stdout
    builder.take_tool("update-initramfs")
    builder.have_blender()
    facts(builder.run("g"))
    facts(builder.run("g"))
    assert builder.calls.count("update-initramfs") == 1


def test_cleaning_up_may_be_run_again(builder: Builder) -> None:
    builder.put_tool("cloud-init", "#!/bin/sh\nexit 1\n")
    assert builder.run("clean").returncode == 1
    assert all((builder.path / name).exists() for name in (*KEYS, HOST_KEY) if not name.endswith("history"))
    builder.take_tool("cloud-init")
    for _ in range(2):
        facts(builder.run("clean"))
    assert not [name for name in (*KEYS, HOST_KEY) if (builder.path / name).exists()]


def test_recipes_are_there_for_each_kind() -> None:
    assert set(recipe_files()) == {"bake.sh", "bake_test.sh", "bake_clean.sh", *(f"bake_{kind}.sh" for kind in KINDS)}
