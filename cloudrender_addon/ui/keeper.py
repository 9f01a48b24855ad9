# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that outlives Blender: it goes on with a job, or ends it, when Blender quits or the extension is disabled.

It is the `cloudrender` command under Blender's own Python (`cli/keeper.py`), in a copy of the extension. When Blender
starts again, it asks for the job and gets it. The build of a machine image is only ended. What the job's folder says
goes with it: Blender deletes that folder when the extension is uninstalled, and never tells which of all these it is
about to do.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cli.keeper import JOB, copy_job

if TYPE_CHECKING:
    from ..backend.baking.record import BuildFolder
    from .session import DrivenJob

_ROOT = Path(__file__).resolve().parents[1]

_log = logging.getLogger(__name__)


def keep(job: DrivenJob, *, end: bool) -> bool:
    """Start the process for a job that nobody drives any more; False if that cannot be done here."""
    if end and _python() is not None:
        # Now: should Blender be back first, it must not go on with the job.
        job.folder.request_cancel()
    words = ["cancel", job.spec.job_id] if end else ["attach", job.spec.job_id, "--hand-over"]
    return _start(job.folder.path, words)


def end_build(folder: BuildFolder) -> bool:
    """Start the process for the build of an image that was given up, to see its machine gone; else like `keep`."""
    return _start(folder.path, ["cancel", folder.build_id])


def _start(folder: Path, words: list[str]) -> bool:
    """Start the process for a job or a build, which lies in HOME/KIND/NAME."""
    if (python := _python()) is None:
        return False
    environ = {**os.environ, "CLOUDRENDER_HOME": str(folder.parents[1])}
    environ.pop("PYTHONPATH", None)
    place = Path(tempfile.mkdtemp(prefix="cloudrender-", dir=_temporary_beside(folder)))
    try:
        program = shutil.copytree(_ROOT, place / _ROOT.name, ignore=shutil.ignore_patterns("__pycache__"))
        copy_job(folder, place / JOB)
        subprocess.Popen(
            [str(python), str(program / "cli" / "keeper.py"), _paths(), str(folder), *words],
            env=environ,
            cwd=place.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **_detached(),
        )
    except OSError:
        _log.warning("%s: no process can be started", folder.name, exc_info=True)
        shutil.rmtree(place, ignore_errors=True)
        return False
    return True


def _temporary_beside(folder: Path) -> Path | None:
    """Return a place for temporary files on the disk of a folder, if any: its .blends are linked there, not copied."""
    for place in (Path(tempfile.gettempdir()), Path("/var/tmp")):
        with contextlib.suppress(OSError):
            if place.stat().st_dev == folder.stat().st_dev and os.access(place, os.W_OK):
                return place
    return None


def _python() -> Path | None:
    """Return the Python of this Blender, None if it has none that can be started."""
    python = Path(sys.executable)
    return python if python.is_file() and "python" in python.name.lower() else None


def _paths() -> str:
    return os.pathsep.join(path for path in sys.path if path.rstrip("/\\").endswith("-packages"))


def _detached() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
