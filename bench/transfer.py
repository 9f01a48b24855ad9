# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast files go to the machine and come back: the product's own push and fetch against scp, rsync and tar.

One incompressible file, and many small ones, up and down, beside each other in one run, by turns; the best of all
rounds counts. Connecting is part of each. At a round trip of 0 and of 40 ms, if there can be a delay line (root, cc).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import table
from bench.net_delay import hosts, missing
from bench.ssh_server import Server, ssh_server

ROOT = Path(__file__).resolve().parent.parent
_GCM = ("-c", "aes128-gcm@openssh.com")
_INSIDE = ROOT / "bench" / "inside" / "transfer.py"


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


class Bench:
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
            [*self._on_client, *command], stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
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


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench transfer", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512, help="size of the large file")
    parser.add_argument("--files", type=int, default=2000, help="number of small files, 20 KB each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-trip", type=int, default=40, help="milliseconds")
    parser.add_argument("--only", choices=["large", "small"])
    parser.add_argument("--way", choices=["up", "down"])
    options = parser.parse_args(arguments)
    lacking = missing()
    if lacking:
        print(f"  At a round trip of 0 only: no delay line, as {lacking}.")
    for tool in ("scp", "rsync"):
        if not shutil.which(tool):
            print(f"  Without {tool}, which is not installed.")
    print(f"  Load average {os.getloadavg()[0]:.1f}. Best of {options.rounds} rounds.")
    with _computers(options.round_trip, delay=not lacking) as (bench, addresses, folder):
        loads = [load for load in _loads(folder, options) if options.only in (None, load.title.split()[-1])]
        for load in loads:
            for way in ("up", "down"):
                for milliseconds, address in addresses:
                    if options.way in (None, way):
                        ways = bench.up(load, address) if way == "up" else bench.down(load, address)
                        print(f"\n  {load.title}, {way}, round trip {milliseconds} ms", flush=True)
                        if load.files > 1 and milliseconds:
                            ways = {name: run for name, run in ways.items() if not name.startswith("scp")}
                            print("  Without scp: it waits several round trips for each file (minutes).")
                        _show(load, _measure(ways, options.rounds))


def _measure(ways: dict[str, Callable[[], Figure]], rounds: int) -> dict[str, Figure]:
    """Take turns; the best of each counts."""
    best: dict[str, Figure] = {}
    for _ in range(rounds):
        for name, run in ways.items():
            figure = run()
            if name not in best or figure.seconds < best[name].seconds:
                best[name] = figure
    return best


def _show(load: Load, figures: dict[str, Figure]) -> None:
    others = [figure.seconds for name, figure in figures.items() if not name.startswith("ours")]
    rows = [
        (
            name,
            f"{figure.seconds:.2f}",
            f"{load.size / 1e6 / figure.seconds:.0f}",
            f"{min(others) / figure.seconds:.2f}" if others else "",
            f"{figure.near_cpu:.2f}",
            f"{figure.far_cpu:.2f}",
            f"{figure.memory:.0f}" if figure.memory else "",
        )
        for name, figure in figures.items()
    ]
    table.show(("", "s", "MB/s", "× best other", "CPU s here", "CPU s there", "peak MB here"), rows)


@contextlib.contextmanager
def _computers(round_trip: int, *, delay: bool) -> Iterator[tuple[Bench, tuple[tuple[int, str], ...], Path]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cloudrender-bench-")))
        on_client: tuple[str, ...] = ()
        on_server: tuple[str, ...] = ()
        addresses: tuple[tuple[int, str], ...] = ((0, "127.0.0.1"),)
        if delay:
            pair = stack.enter_context(hosts(folder, round_trip_ms=round_trip))
            on_client, on_server, addresses = pair.on_client, pair.on_server, pair.addresses
        plain, ours = (
            stack.enter_context(ssh_server(folder / name, on=on_server, address=addresses[0][1]))
            for name in ("plain", "ours")
        )
        yield Bench(folder, on_client=on_client, plain=plain, ours=ours), addresses, folder


def _loads(folder: Path, options: argparse.Namespace) -> list[Load]:
    large, small = folder / "large", folder / "small"
    for each in (large, small):
        each.mkdir()
    with (large / "large.bin").open("wb") as file:
        for _ in range(options.megabytes):
            file.write(os.urandom(1_000_000))
    for n in range(options.files):
        (small / f"{n:05}.bin").write_bytes(os.urandom(20_000))
    return [
        Load(f"{options.megabytes} MB large", large, options.megabytes * 1_000_000, 1),
        Load(f"{options.files} × 20 KB small", small, options.files * 20_000, options.files),
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cpu(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime
