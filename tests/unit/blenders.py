# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that answer as a Blender on this computer would, and what one says that was asked what a file uses."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from cloudrender_addon.backend.local_blender import LocalBlender


def fake_blender(path: Path, version: str, *, script: str = "") -> Path:
    """Make a program that says that it is Blender of this version, and else is the shell `script`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "Blender {version}"; exit; }}\n{script}\n')
    path.chmod(0o755)
    return path


def answering(folder: Path, result: dict[str, Any], *, version: str = "4.2.3", code: int | None = None) -> LocalBlender:
    """Return a Blender whose trace gives this result, and that keeps what it was asked in `folder`/asked.json.

    With a `code` it ends by this code, and the result is only written if it is an error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "answer.json").write_text(json.dumps(result))
    program_text = (
        "import json, pathlib, shutil, sys; here = pathlib.Path(sys.argv[1]); asked = sys.argv[-1]; "
        "shutil.copy(asked, here / 'asked.json'); "
    )
    if code is None or "error" in result:
        program_text += "shutil.copy(here / 'answer.json', json.load(open(asked))['result']); "
    program_text += f"sys.exit({code or 0})"
    words = " ".join(map(shlex.quote, (sys.executable, "-IS", "-c", program_text, str(folder))))
    program = fake_blender(folder / "blender", version, script=f'echo "Read blend"; exec {words} "$@"')
    major, minor, patch = map(int, version.split("."))
    return LocalBlender(program=program, version=(major, minor, patch))


def result_of(*files: tuple[Path, str], **more: Any) -> dict[str, Any]:
    """Return a trace's result with these files, source and name."""
    listed = [{"source": str(source), "name": name} for source, name in files]
    blends = [
        {"name": name, "path": str(source), "size": source.stat().st_size, "mtime_ns": source.stat().st_mtime_ns}
        for source, name in files
        if source.suffix == ".blend" and source.is_file()
    ]
    lists = ("missing", "left_out", "warnings", "scripts", "undefined_nodes", "viewport_only")
    nothing: dict[str, Any] = {name: [] for name in lists}
    return {"blender": "4.2.3", "files": listed, "blends": blends, **nothing, **more}
