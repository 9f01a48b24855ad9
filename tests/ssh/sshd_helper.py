"""A real OpenSSH sshd on a port of its own, for tests; works as root and as an ordinary user."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.ssh.connection import SshConnection
from cloudrender_addon.backend.ssh.keys import KeyPair, create_key


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """A running server. `home` is the sessions' TMPDIR, so their ROOT is `home`/cloudrender.

    It is their HOME as well: bash reads the .bashrc of whoever runs the tests even for a command over SSH.
    """

    port: int
    process: subprocess.Popen[bytes]
    key: KeyPair
    host_key: KeyPair
    home: Path
    log: Path
    user: str

    def open(self, **changes: object) -> SshConnection:
        """Connect as a client would; `changes` replace single arguments."""
        arguments: dict[str, object] = {
            "address": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "key_file": self.key.path,
            "host_key": self.host_key.public,
            "cancel": CancelToken(),
            "timeout": 10.0,
        }
        return SshConnection.open(**(arguments | changes))

    def sessions(self) -> list[int]:
        """Return the pids of everything below the listening server."""
        return descendants(self.process.pid)

    def freeze_sessions(self) -> None:
        """Stop all of them, also what one was just about to fork."""
        until(lambda: _stand_still(self._signal(signal.SIGSTOP)) and _stand_still(self.sessions()), what="standstill")

    def kill_sessions(self) -> None:
        """Kill all of them, also what one was just about to fork."""
        until(lambda: not self._signal(signal.SIGKILL), what="sessions to end")

    def close(self) -> None:
        """Kill everything, also commands that have outlived their session."""
        self.process.kill()
        self.process.wait(10)
        until(lambda: not self._signal(signal.SIGKILL, self._commands()), what="commands to end")

    def _signal(self, number: signal.Signals, pids: list[int] | None = None) -> list[int]:
        pids = self.sessions() if pids is None else pids
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def _commands(self) -> list[int]:
        mark = f"TMPDIR={self.home}\0".encode()
        return [pid for pid in _processes() if mark in _environment(pid)]


@contextlib.contextmanager
def sshd(folder: Path, *, host_key_type: str = "ed25519") -> Iterator[Sshd]:
    """Run a server whose files are in `folder`; on leaving, it and its sessions are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    key = create_key(folder / "client key", comment="client")
    host_key = create_key(folder / "host_key", comment="host")
    if host_key_type != "ed25519":
        other = folder / "other_host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", host_key_type, "-N", "", "-f", other], check=True)
    (folder / "authorized_keys").write_text(key.public + "\n")
    (folder / "home").mkdir()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd as root insists on it
    for _ in range(5):
        port = _free_port()
        process = _start(folder, port, "host_key" if host_key_type == "ed25519" else "other_host_key")
        if process is not None:
            break
    else:
        raise RuntimeError((folder / "log").read_text())
    server = Sshd(
        port=port,
        process=process,
        key=key,
        host_key=host_key,
        home=folder / "home",
        log=folder / "log",
        user=pwd.getpwuid(os.geteuid()).pw_name,
    )
    try:
        yield server
    finally:
        server.kill_sessions()
        server.close()


def _start(folder: Path, port: int, host_key: str) -> subprocess.Popen[bytes] | None:
    config = folder / "config"
    config.write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/{host_key}\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nSetEnv TMPDIR={folder}/home HOME={folder}/home\n"
        "UsePAM no\nStrictModes no\nPidFile none\nPermitRootLogin yes\nMaxStartups 100\nLogLevel VERBOSE\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=log)
    try:
        until(lambda: process.poll() is not None or _listens(port), what="sshd to listen")
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process if process.poll() is None else None


def until(condition: Callable[[], object], *, what: str, seconds: float = 10) -> None:
    """Wait until `condition` holds; fail with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    """Return the pids of all children of `pid`, theirs included."""
    children: dict[int, list[int]] = {}
    for candidate in _processes():
        if fields := _stat(candidate):
            children.setdefault(int(fields[1]), []).append(candidate)
    found = list(children.get(pid, ()))
    for child in found:
        found.extend(children.get(child, ()))
    return found


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """Return what /proc says of a process from its state on; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _stand_still(pids: list[int]) -> bool:
    # D: a shell whose vfork()ed child was stopped first; it stops as soon as it can run again.
    return all(fields[0] in "TDZX" for fields in map(_stat, pids) if fields)


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
