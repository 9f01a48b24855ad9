# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways of sending files to another computer and back, each measured: the product's own, scp, rsync and tar."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.ssh_server import Server

_ROOT = Path(__file__).resolve().parent.parent
_GCM = ("-c", "aes128-gcm@openssh.com")
_INSIDE = _ROOT / "bench" / "inside" / "transfer.py"


@dataclass(frozen=True)
class Figure:
    """One transfer: seconds, CPU seconds here and there, peak memory in MB (of our own only)."""

    seconds: float
    near_cpu: float
    far_cpu: float
    memory: float | None


@dataclass(frozen=True)
class Load:
    """What is sent: a folder of files."""

    title: str
    folder: Path
    size: int
    files: int


class Transfers:
    """One pair of computers: `on_client` runs a command on one, the servers run on the other."""

    def __init__(self, folder: Path, *, on_client: tuple[str, ...], plain: Server, ours: Server) -> None:
        self._folder = folder
        self._on_client = on_client
        self._plain = plain
        self._ours = ours

    def up(self, load: Load, address: str) -> dict[str, Callable[[], Figure]]:
        """Return what sends the load, by name."""
        host = f"{self._plain.user}@{address}"
        there = self._plain.home / "there"
        ssh = shlex.join(["ssh", *_GCM, *self._plain.ssh_options()])
        tar = f"tar -cf - -C {shlex.quote(str(load.folder))} . | {ssh} {host} tar -xf - -C {there}"
        return {
            "ours": lambda: self._own("push", load, address),
            "ours, hashing too": lambda: self._own("hash-and-push", load, address),
            **self._others(
                {
                    "scp": ["scp", "-rq", *self._plain.ssh_options(), f"{load.folder}/.", f"{host}:{there}"],
                    "scp gcm": ["scp", "-rq", *_GCM, *self._plain.ssh_options(), f"{load.folder}/.", f"{host}:{there}"],
                    "rsync gcm": ["rsync", "-a", "-e", ssh, f"{load.folder}/", f"{host}:{there}/"],
                    "tar | ssh gcm": ["sh", "-c", tar],
                }
            ),
        }

    def down(self, load: Load, address: str) -> dict[str, Callable[[], Figure]]:
        """Return what fetches the load, by name."""
        host = f"{self._plain.user}@{address}"
        here = self._folder / "here"
        ssh = shlex.join(["ssh", *_GCM, *self._plain.ssh_options()])
        tar = f"{ssh} {host} tar -cf - -C {load.folder} . | tar -xf - -C {shlex.quote(str(here))}"
        return {
            "ours": lambda: self._own("fetch", load, address),
            **self._others(
                {
                    "scp": ["scp", "-rq", *self._plain.ssh_options(), f"{host}:{load.folder}/.", str(here)],
                    "scp gcm": ["scp", "-rq", *_GCM, *self._plain.ssh_options(), f"{host}:{load.folder}/.", str(here)],
                    "rsync gcm": ["rsync", "-a", "-e", ssh, f"{host}:{load.folder}/", f"{here}/"],
                    "tar | ssh gcm": ["sh", "-c", tar],
                }
            ),
        }

    def _others(self, commands: dict[str, list[str]]) -> dict[str, Callable[[], Figure]]:
        found: dict[str, Callable[[], Figure]] = {}
        for name, command in commands.items():
            if shutil.which(command[0]):
                found[name] = lambda command=command: self._run(command, self._plain)[0]  # type: ignore[misc]
        return found

    def _own(self, task: str, load: Load, address: str) -> Figure:
        server = self._ours
        root = server.home / "cloudrender"
        if task == "fetch" and not (root / "agent").exists():
            self._own("push", load, address)  # which puts the agent there
        for name in ("project", "store"):
            shutil.rmtree(root / name, ignore_errors=True)
        (root / "frames").unlink(missing_ok=True)
        root.mkdir(exist_ok=True)
        (root / "lease_seconds").write_text("900\n", encoding="utf-8")
        files = sorted(path for path in load.folder.rglob("*") if path.is_file())
        (root / "frames").symlink_to(load.folder)
        cache = self._folder / "hashes"
        if task == "hash-and-push":
            cache.unlink(missing_ok=True)
        said = {
            "address": address,
            "port": server.port,
            "user": server.user,
            "key": str(server.key.path),
            "host_key": server.host_key.public,
            "cache": str(cache),
            "into": str(self._folder / "here"),
            "files": [[str(path), path.name, path.stat().st_size, _sha256(path)] for path in files],
        }
        order = self._folder / "order.json"
        order.write_text(json.dumps(said), encoding="utf-8")
        figure, output = self._run([sys.executable, str(_INSIDE), str(order), task], server)
        said = json.loads(output)
        return Figure(said["seconds"], said["cpu"], figure.far_cpu, said["memory"])

    def _run(self, command: list[str], server: Server) -> tuple[Figure, bytes]:
        for folder in (self._folder / "here", self._plain.home / "there"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        far = server.cpu_seconds()
        began = time.monotonic()
        process = subprocess.Popen(
            [*self._on_client, *command],
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        assert process.stdout  # noqa: S101
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"failed: {shlex.join(command)[:300]}")
        time.sleep(0.2)  # until the server has buried its sessions
        figure = Figure(seconds, _cpu(used), server.cpu_seconds() - far, None)
        return figure, output


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cpu(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime
