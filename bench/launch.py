# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the command takes to the launch of a machine, for a project that was rendered before and did not change.

Once with a Blender of this computer looking for what is used, once with the folder sent as it is; the two take turns.
Nothing is sent before the launch: what is measured is finding out what to send, beside all that a launch needs anyway.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.jobs import BLENDER_PYTHON, ROOT, make_scene
from bench.table import against, show
from tests.localcloud.cloud import Cloud

GOAL = 2.0

WAYS = {"used": ("--send", "used", "--local-blender", str(BLENDER_PYTHON)), "folder": ("--send", "folder")}


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench launch", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="jobs of each kind, after a first one")
    options = parser.parse_args(arguments)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(prefix="cloudrender-bench-") as folder, Cloud() as cloud:
        project = Path(folder) / "project"
        make_scene(project, frames=1, samples=1)
        for _ in range(options.runs + 1):
            for way, words in WAYS.items():
                seconds[way].append(_until_launch(cloud, project, words))
        if left := cloud.leftovers():
            sys.exit(f"left running: {left}")
    medians = {way: statistics.median(taken[1:]) for way, taken in seconds.items()}
    rows = [(way, f"{medians[way]:.2f} s", against(medians[way], GOAL)) for way in WAYS]
    show(("sent", "to the launch", "goal"), rows)


def _until_launch(cloud: Cloud, project: Path, words: Sequence[str]) -> float:
    command = [sys.executable, "-m", "cloudrender_addon", "sample.blend", "-f", "1", "-y", "--json", *words]
    env = {**cloud.environ(), "PYTHONPATH": str(ROOT)}
    began = time.time()
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    launched = [event["at"] for event in events if event["event"] == "machine_launched"]
    if done.returncode != 0 or not launched:
        sys.exit(f"exit code {done.returncode}: {command}\n{done.stderr}{done.stdout[-2000:]}")
    return float(launched[0]) - began
