# SPDX-License-Identifier: GPL-3.0-or-later
"""Empty a machine that was kept, so that another job can begin on it as on a new one; what costs time to get stays."""

from __future__ import annotations

import os
import shutil

from .journal import take_lock
from .lease import lifetime_end
from .root import Root

_SWITCH = ("lease", "deadline", "lifetime")
"""What the dead-man switch lives by begins like this, new files on their way into place included."""


def begin(root: Root, job_id: str) -> None:
    """Remove all that is of the job before; nothing, if this one has begun already.

    Raises `ValueError` while its agent works, and when the machine is ending; `OSError` where something resists.
    """
    if root.collected.exists():
        raise ValueError("the machine is ending")
    lifetime_end(root)  # without it nobody could let it live longer than it was to be kept
    if not (root.job.exists() and root.job.read_text(encoding="utf-8") == job_id):
        _empty(root)
        root.job.write_text(job_id, encoding="utf-8")  # the last of all: whoever is cut off before begins once more


def _empty(root: Root) -> None:
    lock = take_lock(root.agent_lock)
    if lock is None:
        raise ValueError("the job before is still rendering")
    try:
        stays = {root.agent.name, root.agent_lock.name, root.blender.name, root.store.name}
        for entry in root.path.iterdir():
            if entry.name in stays or entry.name.startswith(_SWITCH):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)
    finally:
        os.close(lock)
