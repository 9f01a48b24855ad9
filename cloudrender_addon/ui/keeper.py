# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that outlives Blender: it goes on with a job, or ends it, when Blender quits or the extension is disabled.

It is the `cloudrender` command under Blender's own Python. When Blender starts again, it asks for the job and gets it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .session import DrivenJob

_ROOT = Path(__file__).resolve().parents[1]


def keep(job: DrivenJob, *, end: bool) -> bool:
    """Start the process for a job that nobody drives any more; False if this Blender has no Python to run it with."""
    python = Path(sys.executable)
    if not python.is_file() or "python" not in python.name.lower():
        return False
    words = ["cancel", job.spec.job_id] if end else ["attach", job.spec.job_id, "--hand-over"]
    # The parent folder makes the package importable by the name of its own folder.
    paths = [str(_ROOT.parent), *(path for path in sys.path if path.rstrip("/\\").endswith(("-packages",)))]
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "CLOUDRENDER_HOME": str(job.spec.settings.home),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.Popen(
        [str(python), "-m", _ROOT.name, *words],
        env=environ,
        cwd=job.folder.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **_detached(),
    )
    return True


def _detached() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
