# SPDX-License-Identifier: GPL-3.0-or-later
"""Install NVIDIA's driver where the image has none (driver.sh), and tell what a driver says of itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from .failure import Failure
from .program import run_program

_SCRIPT = Path(__file__).resolve().parent / "driver.sh"
_INSTALL_SECONDS = 1500.0
"""For some hundred megabytes, modules that may have to be compiled, and Ubuntu's own updates before that."""

_ANSWER_SECONDS = 60.0
_LOG_LINES = 15


def ensure(say: Callable[[str], None]) -> None:
    """Install the driver if there is a GPU of NVIDIA's and no driver; `say` is told each step.

    Raises `Failure` (kind "gpu") with the last words of the tool that failed.
    """
    if shutil.which("nvidia-smi"):
        return  # whether it works shows when Blender looks for its devices
    process = subprocess.Popen(
        ["/bin/sh", "-c", '. "$0"; missing_nvidia_driver', str(_SCRIPT)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that it can be ended with the tools it has started
    )
    patience = threading.Timer(_INSTALL_SECONDS, _end, [process])
    patience.start()
    try:
        told, last = _listen(process, say)
        status = process.wait()
    finally:
        patience.cancel()
        _end(process)
    if status != 0:
        raise Failure(
            kind="gpu",
            message=told.get("error") or f"The NVIDIA driver could not be installed (exit status {status})",
            hint=told.get("hint") or "Use the automatic image or one with the NVIDIA driver.",
            log=tuple(last),
        )


def complaint() -> str:
    """Return what the driver says is wrong with it, in its own words; "" if nothing is, or there is no driver."""
    try:
        answer = run_program(["nvidia-smi", "-L"], seconds=_ANSWER_SECONDS)
    except FileNotFoundError:
        return ""
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if answer.code == 0:
        return ""
    return answer.text.partition("\n")[0].strip() or f"exit status {answer.code}"


def _listen(process: subprocess.Popen[bytes], say: Callable[[str], None]) -> tuple[dict[str, str], deque[str]]:
    """Read to the end what the script prints; return what it says of its failure, and its tools' last lines."""
    told: dict[str, str] = {}
    last: deque[str] = deque(maxlen=_LOG_LINES)
    assert process.stdout is not None  # noqa: S101 - for the type checker
    with process.stdout:
        for raw in process.stdout:
            line = raw.decode("utf-8", errors="replace").rstrip()
            print(line, flush=True)  # noqa: T201 - stdout is agent.log
            kind, _, text = line.partition(" ")
            if kind == "::step":
                say(text)
            elif kind in ("::error", "::hint"):
                told[kind[2:]] = text
            elif line and kind != "::fact":
                last.append(line)
    return told, last


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
