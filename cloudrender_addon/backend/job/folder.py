# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's folder on disk: its record, which frames are safely here, who drives it, what others ask of that one.

Private to the user: `record.json` (replaced atomically), `frames.jsonl` (one line for every frame verified on disk,
append-only), `traced.json` and `traced/` (what it sends, see `traced.py`), `timing.jsonl` (see `timing.py`), `keys/`
(this job's SSH keys, deleted with the machine), `lock` (held by the one client that drives the job; the system drops it
when that client dies), `cancel` (exists: somebody wants the job ended), `keeper` (exists: the driver only keeps the job
going until somebody else wants to) and `handover` (exists: somebody does).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import filelock

from ..cancel import Wish
from ..durable import replace_json
from ..errors import CloudrenderError, RecordError
from .record import JobRecord, SavedFrame, from_json, to_json
from .status import Status


class JobFolder:
    """One job's folder. Writing is for the holder of `lock()` alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def job_id(self) -> str:
        return self.path.name

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @contextlib.contextmanager
    def lock(self, *, wait_seconds: float = 0) -> Iterator[None]:
        """Be the one client that drives this job. Raises `RecordError` while another one does."""
        lock = filelock.FileLock(self.path / "lock", mode=0o600)
        try:
            lock.acquire(timeout=wait_seconds)
        except OSError as error:
            if isinstance(error, filelock.Timeout):
                raise RecordError(
                    f"Job {self.job_id} is being driven by another cloudrender",
                    hint="Watch it there, or cancel it",
                ) from error
            raise RecordError(
                f"Job {self.job_id} cannot be locked in {self.path} ({error.strerror})",
                hint="Check that folder's rights",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def locked(self) -> bool:
        """Tell whether a client drives this job right now."""
        try:
            with self.lock():
                return False
        except RecordError:
            return True

    def load(self) -> JobRecord:
        """Read the record. Raises `RecordError`."""
        try:
            return from_json(json.loads((self.path / "record.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RecordError(
                f"The record of job {self.job_id} cannot be read ({error})",
                hint=f"`cloudrender clean-up` or AWS's console tells if a machine is left; then delete {self.path}",
            ) from error

    def save(self, record: JobRecord) -> None:
        """Replace the record, on disk before this returns. Raises `RecordError`."""
        try:
            replace_json(self.path / "record.json", to_json(record))
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RecordError:
        return RecordError(
            f"The job record cannot be written to {self.path} ({error.strerror})",
            hint="Make room on that disk, or set another folder: CLOUDRENDER_HOME",
        )

    def add_saved(self, saved: SavedFrame) -> None:
        """Note a frame whose files are here, verified. Raises `RecordError`."""
        self._add_line(asdict(saved))

    def add_settled(self) -> None:
        """Note that all frames noted so far have been seen through to the disk. Raises `RecordError`."""
        self._add_line({"settled": True})

    def unsettled(self) -> frozenset[int]:
        """Return the frames noted since then: after a power cut their files may hold anything."""
        frames: set[int] = set()
        for fields in self._lines():
            if "settled" in fields:
                frames.clear()
            elif isinstance(number := fields.get("frame"), int):
                frames.add(number)
        return frozenset(frames)

    def _add_line(self, fields: dict[str, Any]) -> None:
        line = json.dumps(fields).encode() + b"\n"
        try:
            with (self.path / "frames.jsonl").open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read() != b"\n":  # a line that a full disk cut short must not spoil this one
                        line = b"\n" + line
                file.write(line)
        except OSError as error:
            raise self._unwritable(error) from error

    def saved_frames(self, output: Path) -> dict[int, SavedFrame]:
        """Return the frames noted as saved whose files are still there: none missing, cut short or replaced."""
        return {number: saved for number, saved in self.noted_frames().items() if saved.is_in(output)}

    def noted_frames(self) -> dict[int, SavedFrame]:
        """Return the frames noted as saved, whatever became of their files since."""
        return {saved.frame: saved for saved in self.brought()}

    def brought(self) -> tuple[SavedFrame, ...]:
        """Return all frames that ever came here: for these the job's money was spent.

        One that was deleted, and rendered again, was paid twice and is in it twice.
        """
        brought = []
        for fields in self._lines():
            with contextlib.suppress(TypeError):
                lists: dict[str, Any] = {
                    name: tuple(fields[name]) for name in ("files", "sizes", "sha256") if name in fields
                }
                brought.append(SavedFrame(**{**fields, **lists}))
        return tuple(brought)

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            lines = (self.path / "frames.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            # A line cut short by a crash is a frame not noted: it is fetched again.
            with contextlib.suppress(ValueError):
                if isinstance(fields := json.loads(line), dict):
                    yield fields

    def forget_keys(self) -> None:
        """Delete this job's SSH keys: with its machines gone they open nothing."""
        for path in self.keys.glob("*"):
            # Not worth an error then, and it must not keep a job from ending.
            with contextlib.suppress(OSError):
                path.unlink()

    def give_up(self, error: CloudrenderError) -> None:
        """Close the record of a job that could not even be begun, so that no later start begins it unasked.

        Raises `RecordError`.
        """
        with self.lock():
            record = self.load()
            if record.status is Status.PENDING and record.machine is None:
                ended = replace(record, status=Status.FAILED, error=error.message, hint=error.hint, ended=time.time())
                self.save(ended)

    def forget(self) -> None:
        """Delete the folder; the frames are elsewhere. Raises `RecordError` while something may be running."""
        with self.lock():
            try:
                still_open = self.load().open
            except RecordError:
                still_open = False  # it says nothing that could be lost
            if still_open:
                raise RecordError(f"Something of job {self.job_id} may be running", hint="Cancel it first")
        try:
            shutil.rmtree(self.path)
        except OSError as error:
            raise RecordError(f"{self.path} cannot be deleted ({error.strerror})", hint="Delete it by hand") from error

    def request_cancel(self) -> None:
        """Ask whoever drives the job to end it."""
        (self.path / "cancel").touch()

    def request_handover(self) -> bool:
        """Ask the driver to let go of the job, if it is one that does: it will, within seconds."""
        if not self.has_keeper():
            return False
        (self.path / "handover").touch()
        return True

    def has_keeper(self) -> bool:
        """Tell whether the driver lets go of the job when asked."""
        return (self.path / "keeper").exists()

    def wish(self) -> Wish:
        """Tell what others want of the driver."""
        if (self.path / "cancel").exists():
            return Wish.CANCEL
        return Wish.LEAVE if (self.path / "handover").exists() else Wish.GO_ON

    def answer(self, *, keeper: bool = False) -> None:
        """Forget what others wanted, as a driver does when it begins and ends; a `keeper` hands over when asked."""
        for name in ("cancel", "handover"):
            (self.path / name).unlink(missing_ok=True)
        if keeper:
            (self.path / "keeper").touch()
        else:
            (self.path / "keeper").unlink(missing_ok=True)
