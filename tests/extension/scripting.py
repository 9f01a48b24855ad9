# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender with the extension installed, in which the scripts of a user run, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from cloudrender_addon.backend.job.store import JobStore
from tests.extension.blender_host import CACHE, HERE, Blender
from tests.localcloud.processes import marked

DATA = HERE.parent / "data"
_SECONDS = 120.0


@dataclass
class Running:
    """A script under way. What it says is in a file, so it never waits for a reader."""

    process: subprocess.Popen[bytes]
    report: Path
    log: Path

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def answer(self) -> Any:
        """Wait for its end and return what it left in `answer`. Raises AssertionError if it failed."""
        code = self.process.wait(timeout=_SECONDS)
        assert code == 0 and "Traceback" not in self.said(), f"exit code {code}: {self.said()}"
        return json.loads(self.report.read_text(encoding="utf-8"))


@dataclass
class Scripting:
    """`project` is a folder with one .blend; records of jobs are where the environment says."""

    blender: Blender
    project: Path
    logs: Path
    running: list[Running] = field(default_factory=list)

    @property
    def blend(self) -> Path:
        return self.project / "robot ネコ.blend"

    def start(self, source: str, **variables: str) -> Running:
        """Start Blender with the project's file open, and this script."""
        number = len(self.running)
        script, report, log = (self.logs / f"{number}.{kind}" for kind in ("py", "json", "log"))
        script.write_text(
            f"bpy.ops.wm.open_mainfile(filepath={str(self.blend)!r})\n{textwrap.dedent(source)}", encoding="utf-8"
        )
        python = CACHE / f"bpy-{self.blender.version}" / "bin" / "python"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [python, HERE / "scripted.py", script, report],
                env=self._environ() | variables,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.running.append(Running(process, report, log))
        return self.running[-1]

    def run(self, source: str, **variables: str) -> Any:
        """Run a script to its end and return its answer."""
        return self.start(source, **variables).answer()

    def said(self) -> str:
        """Return what the last script and the extension printed."""
        return self.running[-1].said()

    def _environ(self) -> dict[str, str]:
        cloud = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "CLOUDRENDER_"))}
        name, _, value = self._mark.partition("=")
        return self.blender.environ | cloud | {name: value}

    @property
    def _mark(self) -> str:
        return f"SCRIPTED_IN={self.logs}"

    def pictures(self, folder: str = "out") -> dict[str, Image.Image]:
        """Decode every frame there: a picture that is not whole fails here."""
        return {path.name: Image.open(path).convert("RGB") for path in sorted((self.project / folder).glob("*.png"))}

    def status(self, job_id: str) -> str:
        """Return what the record of a job says."""
        return JobStore(Path(os.environ["CLOUDRENDER_HOME"])).find(job_id).load().status.value

    def processes(self) -> set[int]:
        """Return what was started here and still runs: Blenders, and the processes they left behind."""
        return marked(variable=self._mark, argument=self._mark)

    def close(self) -> None:
        """End whatever still runs."""
        for running in self.running:
            running.process.kill()
            running.process.wait()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def make_project(folder: Path) -> Path:
    """Make a project's folder with a .blend and a picture, under a name with a space and letters that are not ASCII."""
    project = folder / "Mein Projekt ü"
    project.mkdir()
    shutil.copy(DATA / "tiny-4.2.blend", project / "robot ネコ.blend")
    Image.new("RGB", (8, 8), "blue").save(project / "texture.png")
    return project
