# SPDX-License-Identifier: GPL-3.0-or-later
"""Can an enabled add-on go along to another computer: of which files it consists, and what speaks against it."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST_BYTES = 50_000_000
_MOST_FILES = 5_000
_COMPILED = re.compile(r".*\.(so(\.\d+)*|pyd|dll|dylib)", re.IGNORECASE | re.DOTALL)
_PURE_WHEEL = "-none-any.whl"


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An add-on as it is installed here. `root` is its folder, or its one file; None: it is part of Blender.

    `files` are POSIX paths below the folder. `obstacle` is why it cannot go along ("" if it can).
    """

    name: str
    version: str
    root: Path | None
    files: tuple[str, ...] = ()
    obstacle: str = ""


def look_at(module: str) -> Installed:
    """Look at the files of an add-on that is running, by its Python module. Nothing is read of most."""
    addon_utils: Any = importlib.import_module("addon_utils")  # it is there once Blender is
    loaded: Any = sys.modules[module]
    path = Path(loaded.__file__)
    info = addon_utils.module_bl_info(loaded)
    name = str(info.get("name") or module)
    version = ".".join(map(str, info.get("version", ())))
    if path.is_relative_to(Path(addon_utils.__file__).parents[1]):
        return Installed(name=name, version=version, root=None)
    root = path.parent if path.stem == "__init__" else path
    try:
        files = tuple(_files(root)) if root.is_dir() else ()
        obstacle = _obstacle(root, files)
    except OSError as error:
        files, obstacle = (), f"its files cannot be read ({error.strerror})"
    return Installed(name=name, version=version, root=root, files=files, obstacle=obstacle)


def _files(root: Path) -> Iterator[str]:
    from ..backend.assets.rules import is_clutter, is_secret  # noqa: PLC0415 - pathspec, which nothing needs before

    found = 0
    for folder, folders, names in os.walk(root, followlinks=True, onerror=_give_up):
        folders[:] = [name for name in folders if not (is_clutter(name) or is_secret(name))]
        for name in names:
            found += 1
            if found > _MOST_FILES:
                return
            if not (is_clutter(name) or is_secret(name)):
                yield Path(folder, name).relative_to(root).as_posix()


def _give_up(error: OSError) -> None:
    raise error


def _obstacle(root: Path, files: tuple[str, ...]) -> str:
    if len(files) >= _MOST_FILES:
        return f"it has more than {_MOST_FILES:,} files"
    compiled = next((name for name in files if _COMPILED.fullmatch(name)), "")
    compiled = compiled or next((name for name in _wheels(root, files) if not name.endswith(_PURE_WHEEL)), "")
    if compiled:
        return f"it has parts compiled for this computer ({compiled.rpartition('/')[2]})"
    paths = [root / name for name in files] or [root]
    unreadable = next((path for path in paths if not (path.is_file() and os.access(path, os.R_OK))), None)
    if unreadable:
        return f"{unreadable.name} cannot be read"
    size = sum(path.stat().st_size for path in paths)
    return f"it is larger than {_MOST_BYTES // 1_000_000} MB" if size > _MOST_BYTES else ""


def _wheels(root: Path, files: tuple[str, ...]) -> list[str]:
    """Return the packages that an extension brings, as its manifest has them."""
    import tomllib  # noqa: PLC0415 - of no use for most files

    if "blender_manifest.toml" not in files:
        return []
    try:
        manifest = tomllib.loads((root / "blender_manifest.toml").read_text(encoding="utf-8"))
    except ValueError:
        return []
    built = manifest.get("build", {}).get("generated", {})
    return [str(name) for name in built.get("wheels", manifest.get("wheels", ()))]
