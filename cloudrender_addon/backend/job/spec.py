# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be rendered, where from and where to: frozen when the job is made, kept in its record."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from ..assets.addons import AddOn
from ..settings import Settings


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """One render job as the user asked for it.

    `blend` is the POSIX path of the file below `project`. `blender` is a series ("4.2") or an exact version
    ("4.2.3"). `settings` are those the job was made with: whoever continues it uses the same account and limits.
    `snapshot` is sent in place of the .blend, which may have changed since; None: the .blend as it then is.
    `accept_missing` are paths of files that are not there, as the trace names them: it is rendered without.
    `addons` are those of the user's Blender that the scene needs.
    """

    job_id: str
    project: Path
    blend: str
    frames: tuple[int, ...]
    output: Path
    blender: str
    autoexec: bool
    settings: Settings
    snapshot: Path | None = None
    accept_missing: tuple[str, ...] = ()
    addons: tuple[AddOn, ...] = ()


def new_job_id() -> str:
    """Make a name that sorts by time and does not repeat: "20261122-165301-3f9a"."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
