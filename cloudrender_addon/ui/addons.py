# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the user's add-ons the open file needs to look as it does, and those of them that go along with a job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backend.assets.addons import AddOn, place_of
from .addon_files import Installed, look_at
from .addon_uses import Enabled


@dataclass(frozen=True, kw_only=True)
class Need:
    """An add-on that the file needs, what for ("the node Bricks in material Wall"), and how it is installed here.

    `nodes` are the types of nodes that it has.
    """

    module: str
    purpose: str
    installed: Installed
    nodes: tuple[str, ...]


def needed_addons(scene: Any) -> tuple[Need, ...]:
    """Return the enabled add-ons that the open file needs when `scene` is rendered. Takes milliseconds."""
    enabled = Enabled()
    purposes: dict[str, str] = {}
    for module, purpose in enabled.uses(scene):
        purposes.setdefault(module, purpose)
    return tuple(
        Need(module=module, purpose=purpose, installed=look_at(module), nodes=enabled.nodes_of(module))
        for module, purpose in sorted(purposes.items())
    )


def brings_engine(needs: Iterable[Need], engine: str) -> bool:
    """Tell whether one that goes along has this render engine."""
    owner = Enabled().owner_of_engine(engine)
    return any(need.module == owner and not need.installed.obstacle for need in needs)


def take_along(needs: Iterable[Need], folder: Path) -> tuple[AddOn, ...]:
    """Copy into `folder` those that can go along: they may be updated while the job runs. Raises `OSError`."""
    return tuple(_copied(need, folder / place_of(need.module)) for need in needs if not need.installed.obstacle)


def _copied(need: Need, place: Path) -> AddOn:
    installed, content = need.installed, None
    if installed.root is not None:
        import shutil  # noqa: PLC0415 - its own imports take milliseconds

        content = place if installed.files else place.with_name(f"{place.name}.py")
        pairs = [(installed.root / name, content / name) for name in installed.files] or [(installed.root, content)]
        for source, target in pairs:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return AddOn(module=need.module, name=installed.name, version=installed.version, content=content, nodes=need.nodes)
