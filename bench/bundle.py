# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to know a project by its contents: hashing and bundling against `tar`, and a second push of the same.

1 GB of files, textures of 4 MB and small ones, is hashed (nothing known before) and written as it would be sent,
objects and manifest, into a file; `tar` writes the same files into a file; by turns, the best counts. Then the project
is pushed to an sshd of this computer twice, as two jobs on one machine would: the second time nothing has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench import table
from bench.line import line
from bench.ssh_server import Server, ssh_server
from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.assets.hash_cache import HashCache
from cloudrender_addon.backend.assets.hashing import hashed_files
from cloudrender_addon.backend.assets.manifest import HashedFile, Manifest
from cloudrender_addon.backend.assets.project import scan_project
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.farms.agent_link import open_link
from cloudrender_addon.backend.farms.outgoing import Outgoing
from cloudrender_addon.backend.job.packing import Packing
from cloudrender_addon.instance.transfer import blocks_of


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench bundle", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cloudrender-bench-")))
        project = folder / "project"
        _make(project, options.megabytes)
        tar, ours = [], []
        for _ in range(options.rounds):
            tar.append(_tar(project, folder / "tar"))
            ours.append(_bundle(project, folder))
        ratio = min(ours) / min(tar)
        print(f"  Load average {os.getloadavg()[0]:.1f}. Best of {options.rounds} rounds.")
        rows = [
            ("tar into a file", f"{min(tar):.2f}", "", ""),
            ("scan, hash, bundle into a file", f"{min(ours):.2f}", f"{ratio:.2f}", table.against(ratio, 1.3)),
        ]
        table.show((f"{options.megabytes} MB", "s", "×", "goal"), rows)
        server = stack.enter_context(ssh_server(folder / "server"))
        _twice(project, folder, server, options.megabytes * 1_000_000)


def _make(project: Path, megabytes: int) -> None:
    project.mkdir()
    small = 1000
    for n in range(small):
        (project / f"small-{n}.png").write_bytes(os.urandom(20_000))
    left = megabytes * 1_000_000 - small * 20_000
    for n in range(left // 4_000_000):
        (project / f"texture-{n}.png").write_bytes(os.urandom(4_000_000))
    (project / "scene.blend").write_bytes(b"BLENDER")


def _tar(project: Path, target: Path) -> float:
    target.unlink(missing_ok=True)
    began = time.monotonic()
    subprocess.run(["tar", "-cf", target, "-C", project, "."], check=True)
    return time.monotonic() - began


def _scan(project: Path) -> Bundle:
    return scan_project(project, outputs=[project / "out"], blend=project / "scene.blend")


def _bundle(project: Path, folder: Path) -> float:
    cache, target = folder / "hashes", folder / "bundle"
    for each in (cache, target):
        each.unlink(missing_ok=True)
    began = time.monotonic()
    files: list[HashedFile] = []
    with target.open("wb", buffering=0) as out:
        stream = Outgoing(out.write, on_sent=lambda _: None, check=lambda: None)
        seen: set[str] = set()
        for file in hashed_files(_scan(project), cache=HashCache(cache)):
            files.append(file)
            if file.sha256 not in seen:
                for number in range(blocks_of(file.size)):
                    stream.block(len(seen), file, number)
                seen.add(file.sha256)
        stream.end()
        stream.close()
        out.write(Manifest(files=tuple(files)).text)
    return time.monotonic() - began


def _twice(project: Path, folder: Path, server: Server, size: int) -> None:
    root = server.home / "cloudrender"
    root.mkdir()
    (root / "lease_seconds").write_text("900\n", encoding="utf-8")
    rows = []
    for title in ("first push", "second push, nothing changed"):
        carried: list[int] = []
        began = time.monotonic()
        with line(port=server.port, bytes_per_second=float("inf"), count=carried.append) as port:
            _push(project, folder, server, port)
        seconds = time.monotonic() - began
        share = sum(carried) / size
        goal = table.against(100 * share, 1) if rows else ""
        rows.append((title, f"{seconds:.2f}", f"{sum(carried) / 1e6:.2f}", f"{100 * share:.2f}", goal))
        shutil.rmtree(root / "project")  # as the next job on a machine that is kept begins
    table.show(("", "s", "MB on the line", "%", "goal"), rows)


def _push(project: Path, folder: Path, server: Server, port: int) -> None:
    packing = Packing(lambda: _scan(project), cache=HashCache(folder / "hashes of jobs"))
    cancel = CancelToken()
    link = open_link(
        address="127.0.0.1",
        port=port,
        user=server.user,
        key_file=server.key.path,
        host_key=server.host_key.public,
        cancel=cancel,
        timeout=20,
    )
    with contextlib.closing(link):
        link.push(packing.manifest, on_sent=lambda *_: None, recheck=packing.recheck, cancel=cancel)
