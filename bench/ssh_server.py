# SPDX-License-Identifier: GPL-3.0-or-later
"""An sshd for measurements, with throw-away keys, and what it takes to log in to it."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudrender_addon.backend.ssh.keys import KeyPair, create_key


@dataclass(frozen=True)
class Server:
    """A running sshd. `home` is HOME and TMPDIR of its sessions, so their ROOT is `home`/cloudrender."""

    port: int
    key: KeyPair
    host_key: KeyPair
    home: Path
    user: str
    process: subprocess.Popen[bytes]

    def ssh_options(self) -> list[str]:
        """Options of ssh and scp alike: this key, no questions, the cipher that the product takes."""
        options = {
            "IdentityFile": self.key.path,
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "Port": self.port,
        }
        return ["-F", "none", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]

    def cpu_seconds(self) -> float:
        """CPU time of all sessions that have ended, with all that ran in them."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def ssh_server(folder: Path, *, on: Sequence[str] = (), address: str = "127.0.0.1") -> Iterator[Server]:
    """Run one that listens on every address of the host that the command `on` leads to (this one: on `address`)."""
    folder.mkdir(parents=True)
    key = create_key(folder / "key", comment="client")
    host_key = create_key(folder / "host_key", comment="host")
    (folder / "authorized_keys").write_text(key.public + "\n", encoding="utf-8")
    (folder / "home").mkdir()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd as root insists on it
    port = _free_port()
    config = folder / "config"
    config.write_text(
        f"ListenAddress {'0.0.0.0' if on else address}\nPort {port}\nHostKey {host_key.path}\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nSetEnv TMPDIR={folder}/home HOME={folder}/home\n"
        "UsePAM no\nStrictModes no\nPidFile none\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n",
        encoding="utf-8",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*on, "/usr/sbin/sshd", "-D", "-e", "-f", str(config)], stderr=log)
    user = pwd.getpwuid(os.geteuid()).pw_name
    server = Server(port=port, key=key, host_key=host_key, home=folder / "home", user=user, process=process)
    try:
        _await(server, [*on, "ssh", *server.ssh_options(), f"{user}@{address}", "true"])
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _await(server: Server, command: Sequence[str]) -> None:
    deadline = time.monotonic() + 10
    while subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit((server.home.parent / "log").read_text(encoding="utf-8"))
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
