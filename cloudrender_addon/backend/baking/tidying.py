# SPDX-License-Identifier: GPL-3.0-or-later
"""End what builds have left whose client died: nobody goes on with a build."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ..errors import CloudrenderError, RecordError
from ..farms.factory import open_account, open_farm
from .finishing import end_build
from .record import BuildFolder, BuildStore

_log = logging.getLogger(__name__)


def tidy_builds(home: Path, *, say: Callable[[str], None]) -> None:
    """End every build that no client drives; what cannot be ended is said, and tried again by the next start."""
    for folder in BuildStore(home).folders():
        try:
            end_left_build(folder, say=say)
        except RecordError as error:
            _log.info("build %s: %s", folder.build_id, error.message)
        except CloudrenderError as error:
            say(f"What the image build {folder.build_id} had left running could not be ended: {error.message}")


def end_left_build(folder: BuildFolder, *, say: Callable[[str], None], wait_seconds: float = 0) -> None:
    """End a build whose client let go of it, or does so within that time.

    Raises `RecordError` while a client drives it, `CloudError`.
    """
    try:
        with folder.lock(wait_seconds=wait_seconds):
            if folder.open:
                _end(folder, say)
    except RecordError:
        if folder.open:  # else whoever drove it has ended it, and taken the lock's file away with the folder
            raise
    folder.sweep()


def driven_builds(home: Path) -> frozenset[str]:
    """Return the builds that a client drives right now."""
    return frozenset(folder.build_id for folder in BuildStore(home).folders() if folder.locked())


def _end(folder: BuildFolder, say: Callable[[str], None]) -> None:
    settings = folder.load().settings
    say(f"Ending what the image build {folder.build_id} had left running")
    account = open_account(settings)
    end_build(folder, account=account, farm=open_farm(settings, account=account, keys=folder.keys))
