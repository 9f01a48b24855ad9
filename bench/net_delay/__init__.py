# SPDX-License-Identifier: GPL-3.0-or-later
"""Two computers, near and far from each other: network namespaces that are joined by a cable and by a delay line.

`delayline.c` holds every packet between two TUN devices for as long as it is told to; `tc netem`, which does the same,
is not in every kernel.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NEAR, FAR = "10.250.0.1", "10.251.0.1"
_NEAR_CLIENT, _FAR_CLIENT = "10.250.0.2", "10.251.0.2"


@dataclass(frozen=True)
class Hosts:
    """How to run a command on either of them, and the server's addresses: (round trip in ms, address)."""

    on_client: tuple[str, ...]
    on_server: tuple[str, ...]
    addresses: tuple[tuple[int, str], ...]


def missing() -> str:
    """Say what is lacking for a delay line; "" if nothing is."""
    if os.name != "posix" or os.geteuid() != 0:
        return "it needs root"
    return " and ".join(f"`{tool}` is not installed" for tool in ("ip", "cc") if not shutil.which(tool))


@contextlib.contextmanager
def hosts(folder: Path, *, round_trip_ms: int) -> Iterator[Hosts]:
    """Make both, and remove them on leaving. `folder` is for the compiled delay line."""
    program = folder / "delayline"
    source = Path(__file__).parent / "delayline.c"
    subprocess.run(["cc", "-O2", "-pthread", "-w", "-o", program, source], check=True)
    client, server = f"cr-client-{os.getpid()}", f"cr-server-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        for name in (client, server):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", "near0", "netns", client, "type", "veth", "peer", "name", "near1", "netns", server)
        _ip("-n", client, "addr", "add", f"{_NEAR_CLIENT}/24", "dev", "near0")
        _ip("-n", server, "addr", "add", f"{NEAR}/24", "dev", "near1")
        line = subprocess.Popen(
            [program, client, "far0", server, "far1", str(round_trip_ms / 2)], stdout=subprocess.PIPE
        )
        stack.callback(line.wait)
        stack.callback(line.kill)
        assert line.stdout and line.stdout.readline() == b"up\n"  # noqa: S101
        _ip("-n", client, "addr", "add", _FAR_CLIENT, "peer", FAR, "dev", "far0")
        _ip("-n", server, "addr", "add", FAR, "peer", _FAR_CLIENT, "dev", "far1")
        for name, number in ((client, 0), (server, 1)):
            _ip("-n", name, "link", "set", f"near{number}", "up")
            _ip("-n", name, "link", "set", f"far{number}", "up", "mtu", "1500", "txqueuelen", "5000")
        yield Hosts(
            on_client=("ip", "netns", "exec", client),
            on_server=("ip", "netns", "exec", server),
            addresses=((0, NEAR), (round_trip_ms, FAR)),
        )


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
