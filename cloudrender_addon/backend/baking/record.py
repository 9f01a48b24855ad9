# SPDX-License-Identifier: GPL-3.0-or-later
"""What must survive the process that makes a machine image: what is rented for it, and whether the image is finished.

A folder for each build, as a job's (`job/folder.py`), with `record.json`, `keys/`, `lock` and `cancel`. It is deleted
when all of the build has ended, so one that is there and locked by nobody has something to end.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..aws.disk_keys import DEFAULT_KEY, Encryption
from ..cancel import Wish
from ..durable import replace_json
from ..errors import RecordError
from ..farms.base import Machine
from ..job.folder import JobFolder
from ..job.record import machine_from_json, settings_from_json, settings_to_json
from ..settings import Settings

_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class BuildRecord:
    """One build, or one copy into the region of the settings, which has no machine (`instance_type` is "").

    `machine` is set from just before the launch, `image_asked` from just before AWS is asked for the image; `image_id`
    once that is whole. `settings` name profile and region, and the image to begin with. `blender` are versions or
    series; `encryption` is that of the image's disk, and `share` are the accounts that it is to be shared with.
    """

    build_id: str
    instance_type: str
    blender: tuple[str, ...]
    settings: Settings
    encryption: Encryption = DEFAULT_KEY
    share: tuple[str, ...] = ()
    machine: Machine | None = None
    image_asked: bool = False
    image_id: str = ""


class BuildFolder:
    """One build's folder. Writing is for the holder of `lock()` alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = JobFolder(path)

    @property
    def build_id(self) -> str:
        return self.path.name

    @property
    def open(self) -> bool:
        """Whether something of the build may be left to be ended."""
        return (self.path / "record.json").is_file()

    @property
    def keys(self) -> Path:
        return self._folder.keys

    def lock(self, *, wait_seconds: float = 0) -> contextlib.AbstractContextManager[None]:
        """Be the one client that drives this build. Raises `RecordError` while another one does."""
        return self._folder.lock(wait_seconds=wait_seconds)

    def locked(self) -> bool:
        """Tell whether a client drives this build right now."""
        return self._folder.locked()

    def request_cancel(self) -> None:
        """Ask whoever drives the build to end it: see `wish`. Raises `RecordError`."""
        try:
            self._folder.request_cancel()
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def wish(self) -> Wish:
        """Tell what others want of the driver."""
        return self._folder.wish()

    def load(self) -> BuildRecord:
        """Read the record. Raises `RecordError`."""
        try:
            return _from_json(json.loads((self.path / "record.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RecordError(
                f"The record of the image build {self.build_id} cannot be read ({error})",
                hint=f"`cloudrender clean-up` tells if a machine is left; then delete {self.path}",
            ) from error

    def save(self, record: BuildRecord) -> None:
        """Replace the record, on disk before this returns. Raises `RecordError`."""
        try:
            replace_json(self.path / "record.json", _to_json(record))
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def forget(self) -> None:
        """Delete the record and the keys: nothing of the build is left. The lock's file goes with `sweep`."""
        (self.path / "record.json").unlink(missing_ok=True)
        shutil.rmtree(self.keys, ignore_errors=True)

    def sweep(self) -> None:
        """Delete the folder, if nothing of the build is left. For who held its lock, and holds it no more."""
        if not self.open:
            shutil.rmtree(self.path, ignore_errors=True)


class BuildStore:
    """All builds of this user on this computer that have not ended."""

    def __init__(self, home: Path) -> None:
        self._builds = home / "builds"
        self._regions = home / "image-regions"

    @contextlib.contextmanager
    def create(self, record: BuildRecord) -> Iterator[BuildFolder]:
        """Make the folder of a new build, locked as long as the block runs. Raises `RecordError`."""
        folder = self.folder(record.build_id)
        try:
            folder.path.mkdir(parents=True, mode=0o700)
            folder.keys.mkdir(mode=0o700)
            # A file for each, so that two builds at once lose none: an image outlives the record of its build.
            self._regions.mkdir(exist_ok=True)
            (self._regions / record.settings.regions[0]).touch()
        except OSError as error:
            raise _unwritable(folder.path, error) from error
        try:
            with folder.lock():
                folder.save(record)
                yield folder
        finally:
            folder.sweep()

    def folder(self, build_id: str) -> BuildFolder:
        """Return the folder of a build of this name, whether there is one or not."""
        return BuildFolder(self._builds / build_id)

    def folders(self) -> tuple[BuildFolder, ...]:
        """Return the folder of every build that has not ended, oldest first."""
        if not self._builds.is_dir():
            return ()
        found = (BuildFolder(path) for path in sorted(self._builds.iterdir()))
        return tuple(folder for folder in found if folder.open)

    def left(self) -> dict[str, BuildRecord | None]:
        """Return the builds, trials and copies whose client died, by their ids; None for a record that is damaged."""
        left: dict[str, BuildRecord | None] = {}
        for folder in self.folders():
            if folder.locked():
                continue
            try:
                left[folder.build_id] = folder.load()
            except RecordError:
                if folder.open:  # it has not ended since we looked
                    left[folder.build_id] = None
        return left

    def regions(self) -> tuple[str, ...]:
        """Return the regions in which an image was ever made, tried or copied to from this computer."""
        noted = sorted(path.name for path in self._regions.iterdir()) if self._regions.is_dir() else []
        return tuple(name for name in noted if not name.startswith("."))  # what a file manager leaves


def _unwritable(path: Path, error: OSError) -> RecordError:
    return RecordError(
        f"The record of the image build cannot be written to {path} ({error.strerror})",
        hint="Make room on that disk, or set another folder: CLOUDRENDER_HOME",
    )


def _to_json(record: BuildRecord) -> dict[str, Any]:
    return {**asdict(record), "settings": settings_to_json(record.settings), "version": _VERSION}


def _from_json(data: dict[str, Any]) -> BuildRecord:
    if data.pop("version") != _VERSION:
        raise ValueError("it was written by another version of cloudrender")
    machine = data.pop("machine")
    return BuildRecord(
        **{
            **data,
            "blender": tuple(str(each) for each in data["blender"]),
            "encryption": Encryption(**data.get("encryption", {})),
            "share": tuple(str(each) for each in data.get("share", ())),
            "settings": settings_from_json(data["settings"]),
            "machine": None if machine is None else machine_from_json(machine),
        }
    )
