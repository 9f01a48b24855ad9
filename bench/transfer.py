# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast files go to the machine and come back: the product's own push and fetch against scp, rsync and tar.

One incompressible file, and many small ones, up and down, beside each other in one run, by turns; the best of all
rounds counts. Connecting is part of each. At a round trip of 0 and of 40 ms, if there can be a delay line (root, cc).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import table
from bench.net_delay import hosts, missing
from bench.ssh_server import ssh_server
from bench.transfer_ways import Figure, Load, Transfers


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
    with _computers(options.round_trip, delay=not lacking) as (transfers, addresses, folder):
        loads = [load for load in _loads(folder, options) if options.only in (None, load.title.split()[-1])]
        for load in loads:
            for way in ("up", "down"):
                for milliseconds, address in addresses:
                    if options.way in (None, way):
                        ways = transfers.up(load, address) if way == "up" else transfers.down(load, address)
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
def _computers(round_trip: int, *, delay: bool) -> Iterator[tuple[Transfers, tuple[tuple[int, str], ...], Path]]:
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
        yield Transfers(folder, on_client=on_client, plain=plain, ours=ours), addresses, folder


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
