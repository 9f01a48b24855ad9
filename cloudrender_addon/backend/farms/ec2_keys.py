# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH keys of one job, in its private folder: one to log in with, and one for each machine to prove itself by."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..ssh.keys import copy_key


class JobKeys:
    """Says where the keys are, and deletes those of a machine that is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def job(self) -> Path:
        """The key that opens every machine of the job."""
        return self._folder / "job_key"

    @property
    def known_hosts(self) -> Path:
        """Where ssh finds the host key of a machine that somebody logs in to."""
        return self._folder / "known_hosts"

    def host(self, token: str) -> Path:
        """The host key of the machine of one launch."""
        return self._folder / f"host_key-{token}"

    def adopt(self, token: str, *, source: JobKeys) -> None:
        """Copy the keys of a launch of another job, which opens that machine with its own. Raises `RecordError`."""
        for theirs, ours in ((source.host(token), self.host(token)), (source.job, self.job)):
            copy_key(theirs, ours)

    def forget(self, token: str) -> None:
        """Delete the host key of a launch, and with the last one the job's key. Never raises."""
        names = [self.host(token)]
        others = {path.stem for path in self._folder.glob("host_key-*")} - {names[0].name}
        if not others:  # no other machine of this job is opened by it
            names.append(self.job)
        for path in names:
            # A key of a machine that is gone opens nothing: not worth an error.
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                path.with_name(f"{path.name}.pub").unlink(missing_ok=True)
