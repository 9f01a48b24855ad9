# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cloud path adds to plain Blender: the wall time of whole jobs.

The same .blend is rendered by `blender -b FILE -a` and by the `cloudrender` command against the stand-in cloud, whose
machines boot at once and use the same Blender and the same cores: the difference is what this project costs.
Plain and cloud runs alternate, and the ratios are of medians.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.localcloud.cloud import Cloud

ROOT = Path(__file__).resolve().parent.parent
VERSION = "4.2.23"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev"
BLENDER_PYTHON = CACHE / f"bpy-{VERSION}" / "bin" / "python"
LAUNCHER = ROOT / "tests" / "localcloud" / "blender_launcher.py"
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Run:
    """One run: seconds until the command ended, and until its first frame was on this disk."""

    wall: float
    first_frame: float


def main(arguments: list[str]) -> None:
    """Measure and print; exits with the first error."""
    parser = argparse.ArgumentParser(prog="python -m bench jobs", description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[8, 24], help="lengths of the jobs")
    parser.add_argument("--runs", type=int, default=1, help="runs of each kind")
    parser.add_argument("--samples", type=int, default=19, help="Cycles samples: sets the seconds a frame takes")
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cloudrender-bench-")))
        for frames in options.frames:
            project = folder / f"project-{frames}"
            make_scene(project, frames=frames, samples=options.samples)
            plain, cloud = [], []
            for _ in range(options.runs):
                plain.append(_plain(project, folder / "plain", frames=frames))
                cloud.append(_cloud(project, folder / "cloud", frames=frames))
            _report(frames, plain, cloud)


def make_scene(project: Path, *, frames: int, samples: int) -> None:
    """Make a project with sample.blend in it."""
    command = [BLENDER_PYTHON, ROOT / "samples" / "make_sample.py", project, "--frames", frames, "--samples", samples]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def _plain(project: Path, output: Path, *, frames: int) -> Run:
    # As the `blender` script of the stand-in's mirror starts it.
    command = [
        BLENDER_PYTHON,
        "-I",
        LAUNCHER,
        VERSION,
        "blender",
        "-b",
        project / "sample.blend",
        "-noaudio",
        "-o",
        f"{output}/####",
        "-a",
    ]
    return _measure(command, output, frames=frames, cwd=project, env=dict(os.environ))


def _cloud(project: Path, output: Path, *, frames: int) -> Run:
    with Cloud() as cloud:
        command = [sys.executable, "-m", "cloudrender_addon", "sample.blend", "-a", "-o", output]
        command += ["--local-blender", BLENDER_PYTHON]
        run = _measure(command, output, frames=frames, cwd=project, env={**cloud.environ(), "PYTHONPATH": str(ROOT)})
        if left := cloud.leftovers():
            sys.exit(f"left running: {left}")
    return run


def _measure(command: list[object], output: Path, *, frames: int, cwd: Path, env: dict[str, str]) -> Run:
    shutil.rmtree(output, ignore_errors=True)
    began = time.monotonic()
    first = 0.0
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([str(w) for w in command], cwd=cwd, env=env, stdout=log, stderr=log)
        while process.poll() is None:
            if not first and any(path.stat().st_size for path in output.glob("*.png")):
                first = time.monotonic() - began
            time.sleep(POLL_SECONDS)
        wall = time.monotonic() - began
        saved = len(list(output.glob("*.png")))
        if process.returncode != 0 or saved != frames:
            log.seek(0)
            sys.stderr.buffer.write(log.read())
            sys.exit(f"exit code {process.returncode}, {saved} of {frames} frames: {command}")
    return Run(wall=wall, first_frame=first)


def _report(frames: int, plain: list[Run], cloud: list[Run]) -> None:
    plain_wall, cloud_wall = (statistics.median(run.wall for run in runs) for runs in (plain, cloud))
    plain_first, cloud_first = (statistics.median(run.first_frame for run in runs) for runs in (plain, cloud))
    wall, first = cloud_wall - 1.03 * plain_wall, cloud_first - plain_first
    print(f"{frames} frames, {plain_wall / frames:.1f} s each with plain Blender", flush=True)
    print(f"  wall time    plain {plain_wall:6.1f} s   cloud {cloud_wall:6.1f} s   ratio {cloud_wall / plain_wall:.3f}")
    print(f"               cloud = 1.03 × plain {wall:+.1f} s (goal: + 3 s)")
    print(f"  first frame  plain {plain_first:6.1f} s   cloud {cloud_first:6.1f} s   {first:+.1f} s (goal: + 3 s)")
