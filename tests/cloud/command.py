# SPDX-License-Identifier: GPL-3.0-or-later
"""The `cloudrender` command as a user has it: a process of its own in a project's folder."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

DATA = Path(__file__).parent.parent / "data"
ROOT = Path(__file__).parent.parent.parent
DEADLINE = 120.0


def wait_for(condition: Callable[[], object], what: str, *, seconds: float = DEADLINE) -> None:
    """Return once the condition holds; fail the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for: {what}"
        time.sleep(0.02)


@dataclass
class Result:
    code: int
    out: str
    err: str


@dataclass
class Running:
    """A command under way. What it says is in files, so it never waits for a reader."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def said(self) -> str:
        return self.err.read_text(encoding="utf-8", errors="replace")

    def wait(self, *, seconds: float = DEADLINE) -> Result:
        code = self.process.wait(timeout=seconds)
        return Result(code, self.out.read_text(encoding="utf-8"), self.said())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Project:
    """A Blender project's folder, and the command run in it."""

    path: Path
    logs: Path
    running: list[Running] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.path / "out"

    def start(self, *arguments: object, program: Path | None = None, stdin: int = subprocess.DEVNULL) -> Running:
        number = len(self.running)
        out, err = self.logs / f"{number}.out", self.logs / f"{number}.err"
        words = [str(program)] if program else ["-m", "cloudrender_addon"]
        command = [sys.executable, *words, *map(str, arguments)]
        with out.open("wb") as o, err.open("wb") as e:
            process = subprocess.Popen(command, cwd=self.path, stdin=stdin, stdout=o, stderr=e)
        self.running.append(Running(process, out, err))
        return self.running[-1]

    def run(self, *arguments: object, program: Path | None = None) -> Result:
        return self.start(*arguments, program=program).wait()

    def frames(self, pattern: str = "*.png") -> list[str]:
        return sorted(path.name for path in self.out.glob(pattern))

    def pictures(self) -> dict[str, Image.Image]:
        """Decode every frame: a picture that is not whole fails here."""
        return {name: Image.open(self.out / name).convert("RGB") for name in self.frames()}


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the largest difference of any pixel, 0 to 255."""
    return max(high for _, high in ImageChops.difference(one, other).getextrema())


def contrast(picture: Image.Image) -> float:
    """Return the standard deviation of its brightness: 0 for an empty picture."""
    return ImageStat.Stat(picture.convert("L")).stddev[0]


@contextlib.contextmanager
def project_in(folder: Path, blend: str = "tiny-4.2", *, kind: type[Project] = Project) -> Iterator[Project]:
    """Make a project with one .blend, under a name with a space and letters that are not ASCII."""
    path = folder / "Mein Projekt ü"
    path.mkdir()
    shutil.copy(DATA / f"{blend}.blend", path / "robot ネコ.blend")
    project = kind(path, folder)
    try:
        yield project
    finally:
        for running in project.running:
            running.kill()
