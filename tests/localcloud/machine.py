# SPDX-License-Identifier: GPL-3.0-or-later
"""One stand-in machine: its folder, its process tree under a supervisor, its metadata service, its history."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.localcloud import sshd
from tests.localcloud.frames import FrameCounter
from tests.localcloud.gpu_machine import furnish
from tests.localcloud.imds import Imds
from tests.localcloud.processes import descendants, marked
from tests.localcloud.userdata import UserData

_HERE = Path(__file__).resolve().parent
_MARK = "CLOUDRENDER_STANDIN_MACHINE"

DISK = ("home", "tmp", "disk")
"""What is the machine's own: HOME, TMPDIR, and what `sudo` writes below CR_PREFIX. All else is this computer's."""

_POWER_CUT_SECONDS = 10.0
# cloud-init starts user data with systemd's environment: no HOME, no USER.
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was rented: `gpu` is the name of its GPU ("T4") or None; `values` is what its metadata service says.

    `disk_mb` is the size of a disk of its own for TMPDIR; None: it writes to this computer's. `image_disk` is a folder
    with what its image has in the folders of `DISK`. `driver` is the version of its NVIDIA driver, once it has one (see
    nvidia/), `modules` the kind of one that its image brings. `switches` are between its GPUs. `lacking` is what the
    names of packages begin with that apt-get does not find.
    """

    instance_id: str
    instance_type: str
    spot: bool
    address: str
    ssh_port: int
    authorized_key: str
    user_data: UserData
    gpu: str | None
    ssh_delay: float
    disk_mb: int | None
    image_disk: Path | None
    driver: str
    modules: str | None
    switches: bool
    lacking: tuple[str, ...]
    keep_folder: bool
    values: Mapping[str, str]


class Machine:
    """A rented machine from launch to end. Times are epoch seconds.

    `power_button` is called, on a thread of its own, with what the machine asks for: "poweroff", "halt", "reboot".
    """

    def __init__(self, order: Order, *, folder: Path, power_button: Callable[[Machine, str], None]) -> None:
        self.order = order
        self.folder = folder
        self.launched_at = time.time()
        self.running_at: float | None = None
        self.ended_at: float | None = None
        self.reason = ""
        self.imds: Imds | None = None
        self._power_button = power_button
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._frames = FrameCounter(self.event_log)
        self._lock = threading.Lock()
        self._off = False
        self._admitted = True

    @property
    def id(self) -> str:
        return self.order.instance_id

    @property
    def event_log(self) -> Path:
        """Where the product's agent writes its events (docs/ARCHITECTURE.md, "On the machine")."""
        # A disk of its own is not to be seen from outside, but through one of its processes.
        return self.folder / ("inside" if self.order.disk_mb else "tmp") / "cloudrender" / "events.jsonl"

    @property
    def frames(self) -> int:
        """The number of finished frames so far."""
        return self._frames.update()

    @property
    def console(self) -> str:
        """What user data and sshd printed."""
        logs = (self.folder / "console.log", self.folder / "sshd.log")
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def boot(self) -> None:
        """Switch it on, unless it has been ended already."""
        with self._lock:
            if self._off:
                return
            settings = self._furnish()
            with (self.folder / "console.log").open("ab") as console:
                self._supervisor = subprocess.Popen(
                    [sys.executable, "-E", "-s", "-S", "-B", str(_HERE / "supervisor.py"), str(settings)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=console,
                    cwd="/",
                    env={**os.environ, _MARK: self.id},
                    start_new_session=True,  # Ctrl-C at the terminal does not reach the machine
                )
            if self.order.disk_mb:
                inside = Path(f"/proc/{self._supervisor.pid}/root{self.folder / 'tmp'}")
                (self.folder / "inside").symlink_to(inside)
            self.running_at = time.time()
        threading.Thread(target=self._listen, daemon=True).start()

    def admit(self, admitted: bool) -> None:
        """Let new SSH connections in, or leave them without an answer; those there are go on."""
        with self._lock:
            if admitted != self._admitted:
                self._admitted = admitted
                self._tell("open-door" if admitted else "close-door")

    def hang(self) -> None:
        """Freeze every process: connections stay open, nobody answers."""
        self._command("hang")

    def cut_links(self) -> None:
        """Break the SSH connections there are; the machine lives on and takes new ones."""
        self._command("cut-links")

    def fill_disk(self) -> None:
        """Leave no byte free on its disk, which has to be one of its own."""
        assert self.order.disk_mb, "the disk of this computer is not for filling"
        self._command("fill-disk")

    def damage_transfers(self, times: int = 1) -> None:
        """Let the next frame file that is fetched arrive with other bytes than it has, so many times."""
        for number in range(times):
            (self.folder / "damage" / str(number)).touch()

    def jump_clock(self, seconds: float) -> None:
        """Move its wall clock, as far as programs in Python see it; uptime goes on as before."""
        new = self.folder / "clock.new"
        new.write_text(f"{seconds}\n", encoding="ascii")
        new.replace(self.folder / "clock")

    def cut_power(self) -> None:
        """Kill every process of the machine and return when none is left. Idempotent."""
        with self._lock:
            self._off = True
            self._frames.update()
            if self.imds:
                self.imds.close()
                self.imds = None
            if self._supervisor:
                with contextlib.suppress(BrokenPipeError):
                    if not self._supervisor.stdin.closed:
                        self._supervisor.stdin.write(b"off\n")
                    self._supervisor.stdin.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._supervisor.wait(_POWER_CUT_SECONDS)
            self._kill_strays()
        if self.ended_at is None:
            self.ended_at = time.time()

    def processes(self) -> list[int]:
        """Return the process ids of whatever runs for this machine, its supervisor included."""
        roots = marked(variable=f"{_MARK}={self.id}", argument=str(self.folder / "sshd_config"))
        return sorted(roots | set(descendants(roots)))

    def _kill_strays(self) -> None:
        """Kill what is left. There is nothing, unless somebody killed the supervisor."""
        deadline = time.monotonic() + _POWER_CUT_SECONDS
        while (strays := self.processes()) and time.monotonic() < deadline:
            for pid in strays:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)

    def _furnish(self) -> Path:
        """Fill the machine's folder and return the supervisor's settings."""
        order, folder = self.order, self.folder
        (folder / "damage").mkdir(parents=True)
        for name in DISK:
            if order.image_disk:
                shutil.copytree(order.image_disk / name, folder / name, symlinks=True)
            else:
                (folder / name).mkdir()
        disk = folder / "disk"
        furnish(disk, gpu=order.gpu, switches=order.switches, driver=order.modules)
        (disk / "etc/apt").mkdir(parents=True, exist_ok=True)
        (disk / "etc/apt/lacking").write_text("".join(f"{each}\n" for each in order.lacking))
        os.mkfifo(folder / "power", 0o600)
        self.imds = Imds(address=order.address, values=order.values)
        env = {
            "PATH": f"{disk / 'usr/bin'}:{_HERE / 'shims'}:{_SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "TMPDIR": str(folder / "tmp"),
            "CR_PREFIX": str(disk),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.imds.url,
            "PYTHONPATH": str(_HERE / "python"),
            "CLOUDRENDER_STANDIN_CLOCK": str(folder / "clock"),
            "CLOUDRENDER_STANDIN_DAMAGE": str(folder / "damage"),
            "CLOUDRENDER_STANDIN_POWER": str(folder / "power"),
            _MARK: order.instance_id,
        }
        if order.gpu:
            env["CLOUDRENDER_STANDIN_GPU"] = order.gpu
            env["CLOUDRENDER_STANDIN_DRIVER"] = order.driver
        session_env = {**env, "HOME": str(folder / "home")}
        scripts = []
        for number, text in enumerate(order.user_data.scripts):
            script = folder / f"part-{number:03}"
            script.write_text(text)
            script.chmod(0o700)
            scripts.append(str(script))
        if order.user_data.ignored:
            note = f"stand-in: cloud-config is not acted upon: {', '.join(order.user_data.ignored)}\n"
            (folder / "console.log").write_text(note)
        settings = {
            "sshd": sshd.configure(
                folder,
                address=order.address,
                port=order.ssh_port,
                host_key=order.user_data.host_key or _new_host_key(),
                authorized_key=order.authorized_key,
                env=session_env,
            ),
            "ssh_after": order.ssh_delay,
            "disk_mb": order.disk_mb,
            "admitted": self._admitted,
            "keep": order.keep_folder,
            "sshd_log": str(folder / "sshd.log"),
            "console": str(folder / "console.log"),
            "power": str(folder / "power"),
            "scripts": scripts,
            "env": env,
            "script_env": {**env, "INSTANCE_ID": order.instance_id, "CLOUDRENDER_STANDIN_ROOT": "1"},
        }
        path = folder / "machine.json"
        path.write_text(json.dumps(settings))
        return path

    def _command(self, line: str) -> None:
        with self._lock:
            self._tell(line)

    def _tell(self, line: str) -> None:
        """Pass a command on; for who holds the lock."""
        with contextlib.suppress(BrokenPipeError):
            if self._supervisor and not self._off:
                self._supervisor.stdin.write(line.encode() + b"\n")
                self._supervisor.stdin.flush()

    def _listen(self) -> None:
        with self._supervisor.stdout as requests:
            for line in requests:
                self._power_button(self, line.decode().strip())


def _new_host_key() -> str:
    """Make a host key as a machine without an injected one does at its first boot."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
