# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender prints: kept within bounds on the disk, and its last lines for whoever asks what went wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path

LIMIT_BYTES = 50_000_000
_TAIL_BYTES = 64 * 1024
_LINES = 20
_LINE_CHARACTERS = 300

# Cycles prints one of these per sample batch: they would push the one line that matters out of the last twenty.
_PROGRESS = re.compile(r"(\d\d:\d\d\.\d+\s+render\s+\| )?Fra: ?-?\d+ ")


def last_lines(path: Path) -> list[str]:
    """Return the last 20 lines that say something; of progress lines only a final one. Empty if there is no log."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
            text = log.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    lines = [line.rstrip()[:_LINE_CHARACTERS] for line in text.splitlines() if line.strip()]
    telling = [line for line in lines[:-1] if not _PROGRESS.match(line)] + lines[-1:]
    return telling[-_LINES:]


def keep_bounded(path: Path, *, limit: int = LIMIT_BYTES) -> None:
    """Cut the log down to its end when it exceeds `limit` bytes. Its writers must append (O_APPEND)."""
    if not path.exists() or path.stat().st_size <= limit:
        return
    with path.open("r+b") as log:
        log.seek(-min(_TAIL_BYTES, limit), os.SEEK_END)
        tail = log.read()
        log.truncate(0)
    with path.open("ab") as log:
        log.write(b"[earlier lines were dropped]\n" + tail)
