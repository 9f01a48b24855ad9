# SPDX-License-Identifier: GPL-3.0-or-later
"""The background process that keeps a job: keeper.py PATHS WORD…, run as a script from a copy of the whole package.

The copy is its own, and deleted at the end: Blender deletes the packages of an extension that is disabled, and the
extension itself when it is updated. PATHS lead to what Blender brings with its Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_HIDDEN: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # there is none but on Windows


def main(paths: str, *words: str) -> int:
    """Run the `cloudrender` command with these words, under the packages of the wheels; return its exit code."""
    place = _ROOT.parent
    try:
        for wheel in sorted((_ROOT / "wheels").glob("*.whl")):
            # Of a package that is there for two versions of Python, the files for each have names of their own.
            with zipfile.ZipFile(wheel) as zipped:
                zipped.extractall(place)
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(place), paths)), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", _ROOT.name, *words]
        # A process of its own: on Windows no process can delete the libraries that it has loaded.
        return subprocess.run(command, env=environ, check=False, creationflags=_HIDDEN).returncode
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
