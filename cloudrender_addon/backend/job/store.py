# SPDX-License-Identifier: GPL-3.0-or-later
"""All jobs of this user on this computer."""

from __future__ import annotations

from pathlib import Path

from ..errors import RecordError
from .folder import JobFolder
from .record import JobRecord


class JobStore:
    """All jobs of this user on this computer."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._jobs = home / "jobs"

    @classmethod
    def around(cls, folder: JobFolder) -> JobStore:
        """Return the store that a job's folder is in."""
        return cls(folder.path.parents[1])

    def folder(self, job_id: str) -> JobFolder:
        """Return the folder of a job of this name, whether there is one or not."""
        return JobFolder(self._jobs / job_id)

    def create(self, record: JobRecord) -> JobFolder:
        """Make the folder of a new job and write its record. Raises `RecordError`."""
        folder = self.folder(record.spec.job_id)
        try:
            folder.path.mkdir(parents=True, mode=0o700)
            folder.keys.mkdir(mode=0o700)
        except OSError as error:
            raise RecordError(
                f"The job record cannot be written to {folder.path} ({error.strerror})",
                hint="Make room on that disk, or set another folder: CLOUDRENDER_HOME",
            ) from error
        folder.save(record)
        return folder

    def folders(self) -> tuple[JobFolder, ...]:
        """Return every job's folder, oldest first."""
        if not self._jobs.is_dir():
            return ()
        return tuple(JobFolder(path) for path in sorted(self._jobs.iterdir()) if (path / "record.json").is_file())

    def find(self, name: str) -> JobFolder:
        """Find a job by its id or the unique beginning of it. Raises `RecordError`."""
        folders = self.folders()
        matches = [f for f in folders if f.job_id == name] or [f for f in folders if f.job_id.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise RecordError(
                f"{name} may be any of {', '.join(f.job_id for f in matches)}",
                hint="Give more of the job's name",
            )
        raise RecordError(f"There is no job {name}", hint="Look at the list of jobs (`cloudrender jobs`) for its name")
