# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job costs whoever goes on working: the timer's ticks, and how fast the viewport draws.

Frames are put on the screen apart from the ticks: opening the window for the first one stalls Blender for a moment.

A windowed Blender plays an animation as fast as it can draw, the panel open in the sidebar, while a project is uploaded
and while its frames come back; before and after each job without one. The frame time is the time from one drawing of
the viewport to the next: all that the main thread does is in it. Rounds alternate, the ratio is of each round to its
own idle time, and the median round counts.

What the rented machine does is not to count, though it does it on these two cores: Blender draws on one core only, so
that the other one is left for the machine; the "render" is a wait (see inside/scene.py); and a line of the given speed
lies between, as between a user and Amazon. Its sshd and tar need some of the second core.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.hosts import INSIDE, build
from bench.line import line
from bench.table import against, show
from tests.extension.blender_host import blender
from tests.gui.blender_window import BlenderWindow
from tests.gui.display import Display
from tests.gui.driver import Driver
from tests.localcloud.cloud import Cloud

VERSION = "4.2.23"  # makes the scene; the window is of 4.3
WINDOW = ("640", "480")  # small, for the same reason as the scene
IDLE_SECONDS = 6.0
FRAME_GOAL, TICK_GOAL_MS = 1.05, 2.0
PHASES = ("uploading", "rendering")

Frames = dict[str, list[tuple[float, float]]]
"""By phase: milliseconds of a frame, and how many of them the main thread waited."""


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench viewport", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="jobs")
    parser.add_argument("--megabytes", type=int, default=200, help="size of the project")
    parser.add_argument("--frames", type=int, default=12, help="length of each job")
    parser.add_argument("--seconds", type=float, default=1.0, help="time a frame takes")
    parser.add_argument("--line", type=float, nargs="+", default=[100, 1000], help="speeds of the line, Mbit/s")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="cloudrender-bench-") as name:
        folder = Path(name)
        project = _make_project(folder, options)
        archive = build(folder / "zip")
        for speed in options.line:
            with _studio(folder / f"line-{speed:g}", archive, mbit=speed) as driver:
                driver.blender.start("--online-mode", "-y", "--window-geometry", "0", "0", *WINDOW, str(project))
                driver.open_tab("Cloud")
                driver.evaluate((INSIDE / "stopwatch.py").read_text())
                rounds = [_round(driver) for _ in range(options.rounds)]
                _report(f"{speed:g} Mbit/s", rounds, driver.evaluate("TICKS"), driver.evaluate("SHOWS"))


def _make_project(folder: Path, options: argparse.Namespace) -> Path:
    host, project = folder / "host", folder / "project"
    host.mkdir()
    project.mkdir()
    sizes = (str(options.megabytes), str(options.frames), str(options.seconds))
    blender(VERSION, host, endpoint="").run(str(INSIDE / "scene.py"), project, *sizes)
    return project / "film.blend"


@contextlib.contextmanager
def _studio(folder: Path, archive: Path, *, mbit: float) -> Iterator[Driver]:
    """Give a Blender, not started yet, whose AWS is the stand-in cloud at the far end of a line."""
    folder.mkdir()
    with (
        Cloud() as cloud,
        line(port=cloud.ssh_port, bytes_per_second=mbit * 125_000) as port,
        Display(folder) as screen,
    ):
        variables = {name: value for name, value in cloud.env().items() if name != "CLOUDRENDER_HOME"}
        variables |= {"CLOUDRENDER_SSH_PORT": str(port), "LP_NUM_THREADS": "0"}
        window = BlenderWindow(screen, folder=folder / "user", variables=variables)
        with contextlib.closing(window):
            window.install(archive)
            yield Driver(screen, window)
        if left := cloud.leftovers():
            raise RuntimeError(f"left running: {left}")


def _round(driver: Driver) -> Frames:
    """Return the frame times of one job by phase, with those of the idle times before and after it."""
    driver.evaluate("close_results(), play(), FRAMES.clear()")
    time.sleep(IDLE_SECONDS)
    driver.evaluate("bpy.ops.cloudrender.render(animation=True)")
    driver.wait_until("SESSION.job and SESSION.job.ended is not None", 300)
    ended = driver.evaluate("[SESSION.job.ended.status.value, str(SESSION.job.ended.error)]")
    if ended[0] != "succeeded":
        raise RuntimeError(ended[1])
    driver.evaluate("close_results(), play()")
    time.sleep(IDLE_SECONDS)
    found: Frames = defaultdict(list)
    for phase, seconds, worked in driver.evaluate("FRAMES"):
        found[phase].append((seconds * 1000, max(seconds - worked, 0) * 1000))
    return found


def _report(
    title: str, rounds: Sequence[Frames], ticks: Sequence[tuple[str, float]], shows: Sequence[tuple[bool, float]]
) -> None:
    print(f"  line of {title}, {len(rounds)} jobs")
    heads = ("viewport, ms", "frames", "median", "ratio", "goal", "rounds", "mean", "waiting", "p95")
    show(heads, [_frames(phase, rounds) for phase in ("idle", *PHASES)])
    show(("ticks, ms", "count", "p50", "p99", "goal", "longest"), [_ticks(phase, ticks) for phase in PHASES])
    show(("showing, ms", "count", "p50", "longest"), [_shows(opened, shows) for opened in (True, False)])


def _frames(phase: str, rounds: Sequence[Frames]) -> tuple[str, ...]:
    times, waits = zip(*(pair for found in rounds for pair in found[phase]), strict=True)
    ratios = [_median(found[phase]) / _median(found["idle"]) for found in rounds]
    ratio = statistics.median(ratios)
    return (
        phase,
        str(len(times)),
        f"{statistics.median(times):.1f}",
        f"{ratio:.3f}",
        against(ratio, FRAME_GOAL) if phase in PHASES else "",
        f"{min(ratios):.2f}-{max(ratios):.2f}",
        f"{statistics.fmean(times):.1f}",
        f"{statistics.fmean(waits):.2f}",
        f"{_quantile(times, 0.95):.1f}",
    )


def _median(frames: Sequence[tuple[float, float]]) -> float:
    return statistics.median(time for time, _ in frames)


def _ticks(phase: str, ticks: Sequence[tuple[str, float]]) -> tuple[str, ...]:
    times = sorted(seconds * 1000 for name, seconds in ticks if name == phase)
    p99 = _quantile(times, 0.99)
    goal = against(p99, TICK_GOAL_MS, form="{:.0f}")
    longest = ", ".join(f"{each:.1f}" for each in times[-3:])
    return phase, str(len(times)), f"{_quantile(times, 0.5):.2f}", f"{p99:.2f}", goal, longest


def _shows(opened: bool, shows: Sequence[tuple[bool, float]]) -> tuple[str, ...]:
    times = [seconds * 1000 for window, seconds in shows if window is opened]
    name = "in a new window" if opened else "in the same one"
    return name, str(len(times)), *((f"{_quantile(times, 0.5):.1f}", f"{max(times):.1f}") if times else ("", ""))


def _quantile(times: Sequence[float], part: float) -> float:
    return sorted(times)[min(int(part * len(times)), len(times) - 1)]
