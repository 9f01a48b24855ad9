# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out before money is spent that frames can be written to their folder; the first frame makes it."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ConfigError

_HINT = "Choose another output folder in the Frames panel (-o)"


def check_output(folder: Path) -> None:
    """See that the folder is there and can be written to, or can be made. Nothing is made. Raises `ConfigError`."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
    except OSError as error:
        raise ConfigError(f"The output folder {folder} cannot be looked at ({error.strerror})", hint=_HINT) from error
    if not there.is_dir():
        obstacle = "is a file" if there == folder else f"cannot be made: {there} is a file"
        raise ConfigError(f"The output folder {folder} {obstacle}", hint=_HINT)
    if not os.access(there, os.W_OK | os.X_OK):  # the one for files never saved may be another user's
        obstacle = "" if there == folder else f": {there} is closed to you"
        raise ConfigError(f"The output folder {folder} cannot be written to{obstacle}", hint=_HINT)
