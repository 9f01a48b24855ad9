# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's own add-ons that a scene needs, and how they travel: in the bundle, beside the project's files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import ProjectError
from .bundle import Bundle, BundleFile

FOLDER = "_addons"
"""What the add-ons' folder is called below the project; `instance/addons.py` looks there."""


@dataclass(frozen=True, kw_only=True)
class AddOn:
    """An add-on that is enabled on the machine before the .blend is opened.

    `module` is what Python knows it by: "bl_ext.user_default.bricks", or "bricks" if it is no extension.
    `content` is its folder, or its one file; None: it is part of Blender, and there already. `nodes` are the types of
    nodes (`bl_idname`) that it has, which a Blender without it does not know.
    """

    module: str
    name: str
    version: str
    content: Path | None
    nodes: tuple[str, ...] = ()


def place_of(module: str) -> str:
    """Return where an add-on lies, POSIX, below the project, less the ".py" of one that is a single file."""
    return f"{FOLDER}/{module.replace('.', '/')}"


def to_json(addon: AddOn) -> dict[str, Any]:
    """Return it as what JSON can hold."""
    return {**asdict(addon), "content": str(addon.content) if addon.content else None}


def from_json(data: dict[str, Any]) -> AddOn:
    """Return the add-on that `to_json` gave. Raises `TypeError`, `KeyError` for anything else."""
    content = Path(data["content"]) if data["content"] else None
    return AddOn(**{**data, "content": content, "nodes": tuple(str(name) for name in data["nodes"])})


def with_addons(bundle: Bundle, addons: Iterable[AddOn]) -> Bundle:
    """Return the bundle with the add-ons' files in it. Raises `ProjectError` when one of them is gone."""
    return bundle.with_files(file for addon in addons if addon.content for file in _files(addon, addon.content))


def _files(addon: AddOn, content: Path) -> Iterator[BundleFile]:
    place = place_of(addon.module)
    try:
        if content.is_file():
            yield BundleFile(source=content, name=f"{place}.py", size=content.stat().st_size)
            return
        for folder, _, names in os.walk(content, onerror=_give_up):
            for name in names:
                source = Path(folder, name)
                below = source.relative_to(content).as_posix()
                yield BundleFile(source=source, name=f"{place}/{below}", size=source.stat().st_size)
    except OSError as error:
        raise ProjectError(
            f"The copy of the add-on {addon.name} is gone ({error.strerror})", hint="Start a new render of the file"
        ) from error


def _give_up(error: OSError) -> None:
    raise error
