# SPDX-License-Identifier: GPL-3.0-or-later
"""The background process that keeps a job: keeper.py PATHS FOLDER WORD…, run as a script from a copy of the package.

The copy is its own, and deleted at the end: Blender deletes the packages of an extension that is disabled, and the
extension itself when it is updated. PATHS lead to what Blender brings with its Python. FOLDER is the job's, of which a
copy lies beside the package: when the extension is uninstalled, Blender deletes that, too, at about the time that this
begins. It is put back: the job goes on with the machine it has, or sends all to another, and its record stays to be
found.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_HIDDEN: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # there is none but on Windows


JOB = "job"
"""The copy of the job's folder, beside that of the package."""

_LOOK_SECONDS = 0.2


def main(paths: str, folder: str, *words: str) -> int:
    """Run the `cloudrender` command with these words, under the packages of the wheels; return its exit code."""
    place = _ROOT.parent
    try:
        for wheel in sorted((_ROOT / "wheels").glob("*.whl")):
            # Of a package that is there for two versions of Python, the files for each have names of their own.
            with zipfile.ZipFile(wheel) as zipped:
                zipped.extractall(place)
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(place), paths)), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", _ROOT.name, *words]
        put_back(place / JOB, Path(folder))
        # A process of its own: on Windows no process can delete the libraries that it has loaded.
        process = subprocess.Popen(command, env=environ, creationflags=_HIDDEN)
        while True:
            try:
                return process.wait(timeout=_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                put_back(place / JOB, Path(folder))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def copy_job(folder: Path, copy: Path) -> None:
    """Copy a job's folder. The .blends in it, which nobody changes, are links where the disk can. Raises `OSError`."""

    def each(source: str, target: str) -> None:
        if source.endswith(".blend"):
            with contextlib.suppress(OSError):
                os.link(source, target)
                return
        shutil.copy2(source, target)  # with its time, by which it is known

    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("lock", "*.part"), copy_function=each)


def put_back(copy: Path, folder: Path) -> None:
    """Restore the job's folder if it was deleted; if that cannot be done, the command says so in its own words.

    Blender deletes it with all that is beside it; a build that has ended deletes its own folder alone.
    """
    if not folder.parent.exists():
        with contextlib.suppress(OSError):
            copy_job(copy, folder)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
