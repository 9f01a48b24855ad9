# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace a file so that it is always whole: what must survive this process, or a power cut, is written like this."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

_REPLACE_SECONDS = 1.0


def replace_json(path: Path, data: Any) -> None:
    """Replace what is at `path` by `data` as JSON, on disk before this returns. Raises `OSError`."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    _replace(part, path)


def _replace(source: Path, target: Path) -> None:
    """Rename over `target`. On Windows that fails while another process reads it, which takes it a moment."""
    deadline = time.monotonic() + _REPLACE_SECONDS
    while True:
        try:
            source.replace(target)
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
        else:
            return
