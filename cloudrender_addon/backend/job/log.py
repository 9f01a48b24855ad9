# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's log in its folder: an error's traceback is there, not before the user's eyes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = __name__.partition(".backend.")[0]


class _JobLog(logging.FileHandler):
    """A log that is worth less than the job: a full disk or a vanished folder stops neither, and is not shown."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the base class calls it so
        """Nothing."""


@contextlib.contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Write what this package logs to a file for as long as the block lasts."""
    handler = _JobLog(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    log = logging.getLogger(_PACKAGE)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
