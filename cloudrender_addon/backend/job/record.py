# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a job: what was asked, what is rented, how it ended. `folder.py` keeps it on disk."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..assets import addons
from ..farms.base import Machine, MachineRequest, Offer
from ..settings import Settings
from .spec import JobSpec
from .status import Status

_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """All that must survive this process. `machine` is set from just before a launch until it is seen gone.

    `spent_usd` is the cost of machines already gone; `started` (of the latest run) and `ended` are epoch seconds;
    `reclaimed` are types and zones whose machines were taken back; `failed_frames` were set aside, with their reasons.
    At `suspects` a machine was lost, nobody knows why. `taken` are launches of other jobs whose machine this one took
    over: token → that job and when; `given` those of its own whose machine went to another: token → that job.
    """

    spec: JobSpec
    started: float
    status: Status = Status.PENDING
    machine: Machine | None = None
    launches: int = 0
    reclaimed: tuple[tuple[str, str], ...] = ()
    spent_usd: float = 0.0
    ended: float | None = None
    failed_frames: dict[int, str] = field(default_factory=dict)
    suspects: tuple[int, ...] = ()
    error: str = ""
    hint: str = ""
    taken: dict[str, tuple[str, float]] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)

    @property
    def kept_until(self) -> float | None:
        """Until when the machine of an ended job is kept (epoch seconds); None if none is."""
        if self.status is not Status.KEPT or self.machine is None:
            return None
        return self.machine.end

    def anew(self, at: float) -> JobRecord:
        """Return the record of this job as it begins once more: what it has cost counts, what failed is forgotten."""
        begun = replace(self, status=Status.PENDING, started=at, ended=None, launches=0, error="", hint="")
        return replace(begun, failed_frames={}, suspects=())

    @property
    def open(self) -> bool:
        """Whether the job may still have something running."""
        return not self.status.terminal


@dataclass(frozen=True, kw_only=True)
class SavedFrame:
    """A frame verified on this computer's disk. `files` are names in the output folder.

    `sizes` (bytes) and `sha256` (hex) are theirs, in the same order; an older record has none.
    """

    frame: int
    seconds: float
    files: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    sha256: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """Its bytes in all, None if an older record does not say."""
        return sum(self.sizes) if self.sizes else None

    def is_in(self, output: Path) -> bool:
        """Tell whether all of its files are there, as long as they were when they were saved.

        Not whether they hold the same: that would read gigabytes each time a list of jobs is drawn.
        """
        try:
            found = [(output / name).stat() for name in self.files]
        except OSError:
            return False
        if not all(stat.S_ISREG(file.st_mode) for file in found):
            return False
        return not self.sizes or self.sizes == tuple(file.st_size for file in found)

    def is_unchanged_in(self, output: Path) -> bool:
        """Tell whether its files there hold what they held when they were saved; False if that is not known."""
        return bool(self.sha256) and self.sha256 == tuple(_sha256(output / name) for name in self.files)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def to_json(record: JobRecord) -> dict[str, Any]:
    """Return the record as what JSON can hold."""
    data = asdict(record)
    data["version"] = _VERSION
    data["spec"]["project"] = str(record.spec.project)
    data["spec"]["output"] = str(record.spec.output)
    data["spec"]["snapshot"] = str(record.spec.snapshot) if record.spec.snapshot else None
    data["spec"]["settings"] = settings_to_json(record.spec.settings)
    data["spec"]["addons"] = [addons.to_json(addon) for addon in record.spec.addons]
    return data


def from_json(data: dict[str, Any]) -> JobRecord:
    """Return the record that `to_json` gave. Raises `ValueError`, `TypeError`, `KeyError` for anything else."""
    if data.pop("version") != _VERSION:
        raise ValueError("it was written by another version of cloudrender")
    spec, machine = data.pop("spec"), data.pop("machine")
    spec = {
        **spec,
        "project": Path(spec["project"]),
        "output": Path(spec["output"]),
        "snapshot": Path(spec["snapshot"]) if spec.get("snapshot") else None,
        "settings": settings_from_json(spec["settings"]),
        "addons": tuple(addons.from_json(addon) for addon in spec.get("addons", ())),
        "frames": tuple(int(f) for f in spec["frames"]),
        "accept_missing": tuple(str(path) for path in spec.get("accept_missing", ())),
    }
    if machine is not None:
        machine = machine_from_json(machine)
    return JobRecord(
        **{
            **data,
            "status": Status(data["status"]),
            "spec": JobSpec(**spec),
            "machine": machine,
            "reclaimed": _pairs(data.get("reclaimed", ())),
            "suspects": tuple(int(f) for f in data.get("suspects", ())),
            "taken": {str(token): (str(job), float(at)) for token, (job, at) in data.get("taken", {}).items()},
            "failed_frames": {int(k): str(v) for k, v in data["failed_frames"].items()},
        }
    )


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Return the settings as what JSON can hold."""
    blender = settings.local_blender
    return {**asdict(settings), "home": str(settings.home), "local_blender": str(blender) if blender else None}


def settings_from_json(data: dict[str, Any]) -> Settings:
    """Return the settings that `settings_to_json` gave. Raises as `from_json` does."""
    blender = data.get("local_blender")
    fresh = {"home": Path(data["home"]), "local_blender": Path(blender) if blender else None}
    # An older record's job began by sending the folder.
    return Settings(**{"send": "folder", **data, **fresh})


def machine_from_json(data: dict[str, Any]) -> Machine:
    """Return the machine of which JSON holds the fields. Raises as `from_json` does."""
    request = {**data["request"], "instance_types": tuple(data["request"]["instance_types"])}
    request["avoid"] = _pairs(request["avoid"])
    offers = tuple(Offer(**offer) for offer in data["offers"])
    if not offers:
        raise ValueError("its machine is of no type")
    return Machine(**{**data, "request": MachineRequest(**request), "offers": offers})


def _pairs(data: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((str(instance_type), str(zone)) for instance_type, zone in data)
