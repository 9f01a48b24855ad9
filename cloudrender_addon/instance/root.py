# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything lives on the rented machine, and the plan it was given."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


class Root:
    """The machine's folder, made by the user data. docs/ARCHITECTURE.md says what each name means."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lease = path / "lease"
        self.deadline = path / "deadline"
        self.lifetime = path / "lifetime"
        self.lease_seconds = path / "lease_seconds"
        self.collected = path / "collected"
        self.agent = path / "agent"
        self.job = path / "job"
        self.agent_lock = path / "agent.lock"
        self.agent_log = path / "agent.log"
        self.store = path / "store"
        self.project = path / "project"
        self.plan = path / "plan.json"
        self.blender = path / "blender"
        self.blender_log = path / "blender.log"
        self.work = path / "work"
        self.frames = path / "frames"
        self.events = path / "events.jsonl"


@dataclass(frozen=True)
class Plan:
    """What the backend's `RenderPlan` says, as it arrives here."""

    blend: str
    frames: tuple[int, ...]
    blender: str
    mirror: str
    gpu: bool
    autoexec: bool
    move_seconds: int | None
    addons: tuple[str, ...] = ()


def read_plan(path: Path) -> Plan:
    """Read `plan.json`. Raises `OSError`, or `ValueError` when it is not a plan."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Plan(
            blend=str(raw["blend"]),
            frames=tuple(int(frame) for frame in raw["frames"]),
            blender=str(raw["blender"]),
            mirror=str(raw["mirror"]).rstrip("/"),
            gpu=bool(raw["gpu"]),
            autoexec=bool(raw["autoexec"]),
            move_seconds=None if raw["move_seconds"] is None else int(raw["move_seconds"]),
            addons=tuple(str(module) for module in raw.get("addons", ())),  # a plan of before they were sent has none
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a render plan: {error!r}") from error


def blend_path(root: Root, plan: Plan) -> Path:
    """Return the file to render. Raises `ValueError` if the plan points outside the project."""
    path = Path(os.path.normpath(str(root.project / plan.blend)))
    if root.project not in path.parents:
        raise ValueError(f"outside the project: {plan.blend}")
    return path
