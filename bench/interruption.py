# SPDX-License-Identifier: GPL-3.0-or-later
"""What an interruption costs: frames rendered twice, and the time until the next machine's first frame.

A real job on the stand-in cloud loses its machine in the middle, with the two-minute notice cut short or with none.
The stand-in's machines boot at once, so the seconds are those that this project adds to a machine's boot.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import table
from bench.jobs import ROOT, make_scene
from tests.localcloud.cloud import Cloud
from tests.localcloud.machine import Machine

_NOTICE_SECONDS = 25.0
"""Of the two minutes, these are what the agent needs to do the right thing: it stops 15 s before the end."""


@dataclass(frozen=True)
class Loss:
    """One lost machine: frames begun twice, seconds to the next machine's first frame, seconds without any frame."""

    twice: int
    seconds: float
    gap: float


def main(arguments: list[str]) -> None:
    """Measure and print; exits with the first error."""
    parser = argparse.ArgumentParser(prog="python -m bench interruption", description=__doc__)
    parser.add_argument("--frames", type=int, default=16, help="length of the job")
    parser.add_argument("--runs", type=int, default=3, help="interruptions of each kind")
    parser.add_argument("--samples", type=int, default=4, help="Cycles samples: sets the seconds a frame takes")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cloudrender-bench-") as folder:
        project = Path(folder) / "project"
        make_scene(project, frames=options.frames, samples=options.samples)
        rows = []
        for name, take in _KINDS.items():
            losses = [_lose(project, Path(folder) / "out", options.frames, take) for _ in range(options.runs)]
            rows.append(_row(name, losses))
    table.show(("machine lost after a", "frames begun twice", "to the next one's first frame", "without frames"), rows)


def _notice(cloud: Cloud, machine: Machine) -> None:
    cloud.interrupt(machine, notice=_NOTICE_SECONDS)


_KINDS: Mapping[str, Callable[[Cloud, Machine], None]] = {
    f"notice of {_NOTICE_SECONDS:.0f} s": _notice,
    "power cut without notice": Cloud.kill,
}


def _lose(project: Path, output: Path, frames: int, take: Callable[[Cloud, Machine], None]) -> Loss:
    """Take the first machine away after three frames and let the job come to its end."""
    taken: list[float] = []
    with Cloud() as cloud, tempfile.TemporaryFile() as log:

        def act(machine: Machine) -> None:
            taken.append(time.time())
            take(cloud, machine)

        cloud.on_frames(3, act)
        command = [sys.executable, "-m", "cloudrender_addon", "sample.blend", "-a", "-o", str(output)]
        env = {**cloud.environ(), "PYTHONPATH": str(ROOT)}
        code = subprocess.run(command, cwd=project, env=env, stdout=log, stderr=log, check=False).returncode
        saved = len(list(output.glob("*.png")))
        if code != 0 or saved != frames or len(cloud.machines) != 2:
            log.seek(0)
            sys.stderr.buffer.write(log.read())
            sys.exit(f"exit code {code}, {saved} of {frames} frames, {len(cloud.machines)} machines")
        for path in output.iterdir():
            path.unlink()
        first, second = (_events(machine) for machine in cloud.machines)
    begun = Counter(event["frame"] for event in first + second if event["event"] == "frame_started")
    next_frame = min(event["at"] for event in second if event["event"] == "frame")
    last_frame = max(event["at"] for event in first if event["event"] == "frame")
    return Loss(sum(begun.values()) - len(begun), next_frame - taken[0], next_frame - last_frame)


def _events(machine: Machine) -> list[dict[str, object]]:
    return [json.loads(line) for line in machine.event_log.read_text(encoding="utf-8").splitlines()]


def _row(name: str, losses: list[Loss]) -> tuple[str, ...]:
    # Without a notice, a frame may also be lost that is rendered and on its way.
    goal = 1 if "notice of" in name else 2
    twice = max(loss.twice for loss in losses)
    seconds = statistics.median(loss.seconds for loss in losses)
    gap = statistics.median(loss.gap for loss in losses)
    return name, f"{twice} {table.against(twice, goal, form='{:.0f}')}", f"{seconds:.1f} s", f"{gap:.1f} s"
