# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender on this computer: where there is one of the right series, and how a script is run in it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cancel import CancelToken
from .errors import ConfigError, LocalBlenderError

_ANSWER_SECONDS = 20.0
"""A Blender that was just installed is looked at by the system's virus scanner when it is first started."""

_TICK_SECONDS = 0.02

_HIDDEN: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # there is none but on Windows

_BLENDER_SAYS = re.compile(rb"^Blender (\d+)\.(\d+)(?:\.(\d+))?", re.MULTILINE)
_PYTHON_SAYS = re.compile(rb"^Python 3\.")
_MODULE_SAYS = "import bpy, os; print('\\nBlender', bpy.app.version_string, flush=True); os._exit(0)"

_NAME = re.compile(r"blender[-_]?\d+\.\d+(\.\d+)?(\.exe)?")

_FLAGS = ("-b", "--factory-startup", "--offline-mode", "-Y", "-noaudio", "--python-exit-code", "3", "-P")
"""Nothing of the user's preferences and add-ons, no network, no script of a .blend."""


@dataclass(frozen=True, kw_only=True)
class LocalBlender:
    """A Blender on this computer: what starts it, and its version.

    `is_module`: the program is a Python, which has Blender as its module bpy.
    """

    program: Path
    version: tuple[int, int, int]
    is_module: bool = False

    @property
    def series(self) -> str:
        """Its series ("4.2"): releases of one series read each other's files."""
        return f"{self.version[0]}.{self.version[1]}"

    def command(self, script: Path, *arguments: str) -> tuple[str, ...]:
        """Return the command that runs a script in the background, without the user's preferences."""
        flags = () if self.is_module else _FLAGS
        return (str(self.program), *flags, str(script), "--", *arguments)

    def run(self, script: Path, *arguments: str, log: Path, seconds: float, cancel: CancelToken) -> None:
        """Run a script to its end; what it prints goes to `log`. At the deadline and on cancel all of it is killed.

        Raises `LocalBlenderError`, `Cancelled`, `Detached`.
        """
        deadline = time.monotonic() + seconds
        try:
            with log.open("wb") as out, _started(self.command(script, *arguments), out=out) as process:
                while process.poll() is None:
                    cancel.sleep(_TICK_SECONDS)
                    if time.monotonic() >= deadline:
                        raise LocalBlenderError(f"{self._name} did not come to an end within {seconds:.0f} s")
        except OSError as error:
            raise LocalBlenderError(f"{self._name} cannot be started ({error.strerror})") from error
        if process.returncode != 0:
            raise LocalBlenderError(
                f"{self._name} failed with exit code {process.returncode}", details=_last_lines(log)
            )

    @property
    def _name(self) -> str:
        return f"Blender {'.'.join(map(str, self.version))} of this computer"


def find_blender(series: str, *, explicit: Path | None = None, own: Path | None = None) -> LocalBlender | None:
    """Return a Blender of this series ("4.2") on this computer, None if there is none.

    That is `explicit`, and then no other (`ConfigError` if it is of no use); else `own`, in which this runs; else the
    `blender` that a shell finds, those in the usual places, the module bpy of this Python.
    """
    if explicit is not None:
        return _check_explicit(_inside(explicit), series)
    for program in ([own] if own else []) + _candidates(series):
        found = ask(program)
        if found is not None and found.series == series:
            return found
    return None


def ask(program: Path) -> LocalBlender | None:
    """Ask a program which Blender it is; None if it is none, or does not answer."""
    answer = _answer(str(program), "--version")
    is_module = _PYTHON_SAYS.match(answer) is not None
    if is_module:
        answer = _answer(str(program), "-c", _MODULE_SAYS)
    said = _BLENDER_SAYS.search(answer)
    if said is None:
        return None
    major, minor, patch = (int(number or 0) for number in said.groups())
    return LocalBlender(program=program, version=(major, minor, patch), is_module=is_module)


def _check_explicit(program: Path, series: str) -> LocalBlender:
    found = ask(program)
    remedy = f"Give a Blender {series} of this computer (--local-blender), or send the whole folder (--send folder)"
    if found is None:
        what = "is not a Blender that runs on this computer" if program.exists() else "does not exist"
        raise ConfigError(f"{program} {what}", hint=remedy)
    if found.series != series:
        raise ConfigError(f"{program} is Blender {found.series}, and the job is for {series}", hint=remedy)
    return found


def _inside(path: Path) -> Path:
    """Return the program in the folder of a release, or in what a Mac shows as an application."""
    if path.suffix == ".app":
        return path / "Contents" / "MacOS" / "Blender"
    return path / ("blender.exe" if sys.platform == "win32" else "blender") if path.is_dir() else path


def _candidates(series: str) -> list[Path]:
    """Return what may be a Blender, each once, that of which the path names the series first."""
    found = [Path(there)] if (there := shutil.which("blender")) else []
    found += [path for path in (*_named_in_path(), *_usual_places()) if path.is_file()]
    if importlib.util.find_spec("bpy") is not None and sys.executable:
        found.append(Path(sys.executable))
    named = re.compile(rf"(?<![\d.]){re.escape(series)}(?!\d)")
    return sorted(dict.fromkeys(found), key=lambda path: named.search(str(path)) is None)


def _named_in_path() -> Iterator[Path]:
    """Yield what a shell finds under names like `blender-4.2`, as whoever has several calls them."""
    for folder in filter(None, os.get_exec_path()):
        yield from (path for path in _newest_first(Path(folder), "blender[-_0-9]*") if _NAME.fullmatch(path.name))


def _usual_places() -> Iterator[Path]:
    home = Path.home()
    if sys.platform == "win32":
        for variable in ("ProgramFiles", "ProgramFiles(x86)"):
            if folder := os.environ.get(variable):
                yield from _newest_first(Path(folder), "Blender Foundation/Blender */blender.exe")
                yield Path(folder) / "Steam/steamapps/common/Blender/blender.exe"
    elif sys.platform == "darwin":
        for folder in (Path("/Applications"), home / "Applications"):
            yield from map(_inside, _newest_first(folder, "Blender*.app"))
        yield home / "Library/Application Support/Steam/steamapps/common/Blender/Blender.app/Contents/MacOS/Blender"
    else:
        for folder in (home, home / "Applications", home / "Downloads", Path("/opt"), Path("/usr/local")):
            yield from _newest_first(folder, "blender*/blender")
        yield Path("/snap/bin/blender")
        yield home / ".local/share/Steam/steamapps/common/Blender/blender"


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern), reverse=True)
    except OSError:  # a folder that may not be listed
        return []


def _answer(*command: str) -> bytes:
    """Return what a command prints; nothing if it cannot be run, or is not done in time."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired), _started(command, out=subprocess.PIPE) as process:
        return bytes(process.communicate(timeout=_ANSWER_SECONDS)[0])
    return b""


@contextlib.contextmanager
def _started(command: Sequence[str], *, out: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command for as long as the block lasts; then kill it with all that it has started. Raises `OSError`."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        creationflags=_HIDDEN,
        start_new_session=True,  # Ctrl-C is for this program; and all of it can be killed at once
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _kill(process)
        if process.stdout:
            process.stdout.close()
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
    else:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                ["taskkill", "/T", "/F", "/PID", str(process.pid)],
                capture_output=True,
                check=False,
                timeout=_ANSWER_SECONDS,
                creationflags=_HIDDEN,
            )
        process.kill()


def _last_lines(log: Path) -> tuple[str, ...]:
    try:
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - 4096, 0))
            return tuple(file.read().decode("utf-8", "replace").splitlines()[-12:])
    except OSError:
        return ()
