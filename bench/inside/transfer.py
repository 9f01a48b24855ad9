# SPDX-License-Identifier: GPL-3.0-or-later
"""One transfer by the product's own push and fetch, in a process of its own; prints the seconds it took.

Arguments: JSON {"address", "port", "user", "key", "host_key", "cache", "files": [[source, name, size, sha256]…]}, and
"push" (the files are hashed: as while a machine boots), "hash-and-push" or "fetch" (into the folder "into").
Connecting is part of it, importing is not: the program runs when it happens.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import cloudrender_addon.backend.ssh.connection  # noqa: F401 - imported before the clock starts
from cloudrender_addon.backend.assets.bundle import Bundle, BundleFile
from cloudrender_addon.backend.assets.hash_cache import HashCache
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.farms.agent_link import open_link
from cloudrender_addon.backend.farms.link import Link, RemoteFile
from cloudrender_addon.backend.job.packing import Packing


def main() -> None:
    """Do it."""
    said, task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2]
    files = said["files"]
    bundle = Bundle(
        root=Path(said["into"]),
        files=tuple(BundleFile(source=Path(file[0]), name=file[1], size=file[2]) for file in files),
    )
    packing = Packing(lambda: bundle, cache=HashCache(Path(said["cache"])))
    if task == "push":
        packing.manifest(lambda: None)
    cancel = CancelToken()
    sent = [0]
    began, worked = time.monotonic(), time.process_time()
    link = open_link(
        address=said["address"],
        port=said["port"],
        user=said["user"],
        key_file=Path(said["key"]),
        host_key=said["host_key"],
        cancel=cancel,
        timeout=20,
    )
    with contextlib.closing(link):
        if task == "fetch":
            _fetch(link, said, cancel)
        else:
            link.push(
                packing.manifest,
                on_sent=lambda done, _: sent.append(done),
                recheck=packing.recheck,
                cancel=cancel,
            )
        seconds = time.monotonic() - began
        cpu = time.process_time() - worked
    # Of this process alone: what `getrusage` says begins with the memory of whoever started it.
    peak = next(line for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines() if "VmHWM" in line)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": int(peak.split()[1]) / 1000, "sent": sent[-1]}))


def _fetch(link: Link, said: dict[str, Any], cancel: CancelToken) -> None:
    wanted = [RemoteFile(name=Path(file[1]).name, size=file[2], sha256=file[3]) for file in said["files"]]
    link.expect(wanted)
    for file in wanted:
        link.fetch(file, Path(said["into"]) / file.name, cancel=cancel)


if __name__ == "__main__":
    main()
