# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring Blenders for a machine image and render a first frame: `python3 -m agent.baking MIRROR gpu|cpu VERSION…`.

Part of the recipes (bake.sh): says what it does in their lines.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import blender_release
from .blender_release import Blender
from .download import Mirror
from .failure import Failure
from .program import run_program

_WARM_UP = Path(__file__).resolve().parent / "warm_up.py"
_WARM_UP_SECONDS = 1200.0
"""The first OptiX or CUDA render on a machine compiles kernels: three minutes were seen, twenty are not plausible."""

_LOG_LINES = 15


def main(arguments: list[str]) -> int:
    """Do it and return the exit code; what went wrong is said as a recipe says it."""
    mirror, device, *versions = arguments
    try:
        for wanted in versions:
            _say("step", f"Preparing Blender {wanted}")
            # A place of its own in the user's home, which is on the image and where a job's agent looks.
            blender = blender_release.bring(
                wanted=wanted, mirror=Mirror(mirror), folder=Path.home() / blender_release.BAKED
            )
            if blender.source == "download":
                _say("fact", f"download {blender.version}")
            _say("step", f"Rendering a first frame with Blender {blender.version}")
            rendered_on, sampled = _warm_up(blender, gpu=device == "gpu")
            if sampled is not None:
                _say("fact", f"sampled {max(time.monotonic() - sampled, 0.0):.3f}")  # so many seconds ago
            _say("fact", f"device {rendered_on}")
            blender_release.mark_tried(blender)
            _say("fact", f"blender {blender.version}")
    except Failure as failure:
        for line in failure.log:
            print(line)  # noqa: T201 - the client reads it
        _say("error", failure.message)
        _say("hint", failure.hint)
        return 1
    return 0


def _say(kind: str, text: str) -> None:
    print(f"::{kind} {text}", flush=True)  # noqa: T201 - the client reads it


def _warm_up(blender: Blender, *, gpu: bool) -> tuple[str, float | None]:
    """Render a frame of Blender's own first scene. Raises `Failure`.

    Return what it was rendered on and when its first sample was done, by the monotonic clock, if Blender told.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [str(blender.executable), "-b", "--factory-startup", "-noaudio", "--python-exit-code", "3"]
        command += ["-P", str(_WARM_UP), "--", folder, "gpu" if gpu else "cpu"]
        try:
            answer = run_program(command, seconds=_WARM_UP_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(
                kind="blender",
                message=f"Blender {blender.version} does not render: {error}",
                hint="Try another version.",
            ) from error
        said = dict(re.findall(r"^cloudrender: (device|gpu|sample) (.+)$", answer.text, re.MULTILINE))
        if "gpu" in said:
            raise Failure(
                kind="gpu",
                message=said["gpu"],
                hint="Driver and GPU of the image do not fit this Blender: choose another machine type or version.",
                log=answer.lines[-_LOG_LINES:],
            )
        if answer.code != 0 or "device" not in said or not _written(Path(folder)):
            raise Failure(
                kind="blender",
                message=f"Blender {blender.version} did not render its first frame (exit status {answer.code})",
                hint="The lines above are its last ones; another version may do.",
                log=answer.lines[-_LOG_LINES:],
            )
        return said["device"], float(said["sample"]) if "sample" in said else None


def _written(folder: Path) -> bool:
    """Tell whether there is a file with anything in it: on a full disk there may be an empty one."""
    return any(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
