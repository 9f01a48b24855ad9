# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files the open .blend uses, and what would keep them from being there when it is rendered elsewhere."""

from __future__ import annotations

import enum
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from . import check_images, result_image

_MOST_FILES = 1000


class Fault(enum.Enum):
    """What is wrong with a file. The last three are faults only where the project folder is sent as it is."""

    MISSING = enum.auto()
    LEFT_OUT = enum.auto()
    KEPT_BACK = enum.auto()
    OUTSIDE = enum.auto()
    ABSOLUTE = enum.auto()


@dataclass(frozen=True, kw_only=True)
class UsedFile:
    """A file outside the .blend. `path` is absolute, `stored` as it is written there; `owner` says whose it is.

    A `sequence` is there if any of its numbers is: which are needed depends on the frame. Tiles are `whole` the path
    with the tile's number left open.
    """

    path: str
    stored: str
    owner: str = ""
    sequence: bool = False
    whole: str = ""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is wrong with which files. `not_looked_at` is how many there was no time for."""

    faults: dict[Fault, list[UsedFile]] = field(default_factory=dict)
    not_looked_at: int = 0

    @property
    def missing(self) -> tuple[str, ...]:
        """The paths of missing files, as a trace names them."""
        return tuple(dict.fromkeys(file.whole or file.path for file in self.faults.get(Fault.MISSING, ())))


def examine(project: Path | None, *, folder_alone: bool, outputs: Iterable[Path], seconds: float) -> Findings:
    """Look at the files that are used, in the folder `project` (None: the .blend has none) or elsewhere.

    With `folder_alone` that folder is sent as it is, without `outputs`; else what is used, wherever it lies. Raises
    `ProjectError` when the project's list of what to leave out cannot be read.
    """
    from ..backend.assets.rules import read_ignore_file  # noqa: PLC0415 - pathspec, which nothing needs before

    deadline = time.monotonic() + seconds
    ignored = read_ignore_file(project) if project else None
    kept_back = [os.path.normpath(folder) for folder in (*outputs, *([project / "out"] if project else []))]
    faults: defaultdict[Fault, list[UsedFile]] = defaultdict(list)
    files = list(used_files())
    looked_at = 0
    for file in files[:_MOST_FILES]:
        if time.monotonic() > deadline:
            break
        looked_at += 1
        if not folder_alone:
            fault = _fault_of_used(file, project, ignored)
        else:
            fault = _fault_in_folder(file, project, kept_back, ignored)
        if fault:
            faults[fault].append(file)
    return Findings(faults=dict(faults), not_looked_at=len(files) - looked_at)


def unsaved_images() -> list[str]:
    """Return the names of images whose pixels are in memory only: a copy of the file does not have them."""
    return [image.name for image in bpy.data.images if image.is_dirty and image.source != "VIEWER" and _used(image)]


def used_files() -> Iterator[UsedFile]:
    """Yield what the open .blend and its libraries take from other files, each once, but what is packed."""
    idle = {library for library in bpy.data.libraries if _brings_nothing(library)}
    seen = {_absolute(text) for text in bpy.data.texts if text.filepath}  # their text is in the .blend
    for image in bpy.data.images:
        for file in _of_image(image):
            if file.path not in seen and _used(image) and image.library not in idle:
                yield file
            seen.add(file.path)
        seen.add(_absolute(image))  # as Blender's list has it, with the tile's number left open
    libraries = {_absolute(library) for library in bpy.data.libraries if library not in idle}
    owners = _owners()
    for listed, stored in zip(_blend_paths(absolute=True), _blend_paths(absolute=False), strict=True):
        path = os.path.normpath(listed)
        if path not in seen and _is_needed(path, libraries):
            seen.add(path)
            yield UsedFile(path=path, stored=stored, owner=owners.get(path, ""))


def _is_needed(path: str, libraries: set[str]) -> bool:
    """Tell files from what else Blender lists.

    That is the folders of caches, which need not be there, the empty path of a cache without one, and the .blend files
    that something was appended from (Blender remembers them, so as not to append it twice).
    """
    suffix = Path(path).suffix.lower()
    return bool(suffix) and (suffix != ".blend" or path in libraries)


def _blend_paths(*, absolute: bool) -> list[str]:
    return list(bpy.utils.blend_paths(absolute=absolute, packed=False, local=False))


def _fault_of_used(file: UsedFile, project: Path | None, ignored: Any) -> Fault | None:
    from ..backend.assets.rules import is_secret  # noqa: PLC0415 - see examine()

    if not _exists(file):
        return Fault.MISSING
    inside = project is not None and _within(file.path, str(project))
    name = Path(file.path).relative_to(os.path.normpath(project)) if project and inside else Path(file.path)
    if any(map(is_secret, name.parts)) or (inside and ignored.match_file(name.as_posix())):
        return Fault.LEFT_OUT
    return None


def _fault_in_folder(file: UsedFile, project: Path | None, kept_back: list[str], ignored: Any) -> Fault | None:
    from ..backend.assets.rules import is_clutter, is_secret  # noqa: PLC0415 - see examine()

    if not _exists(file):
        return Fault.MISSING
    if project is None or not _within(file.path, str(project)):
        return Fault.OUTSIDE
    if not file.stored.startswith("//"):
        return Fault.ABSOLUTE
    name = Path(file.path).relative_to(os.path.normpath(project))
    out = [folder for folder in kept_back if folder != os.path.normpath(project)]
    if any(_within(file.path, folder) for folder in out) or ignored.match_file(name.as_posix()):
        return Fault.KEPT_BACK
    return Fault.KEPT_BACK if any(is_clutter(part) or is_secret(part) for part in name.parts) else None


def _within(path: str, folder: str) -> bool:
    # By name, not by where links lead: on the machine, too, the path is followed from the .blend's folder.
    return Path(path).is_relative_to(os.path.normpath(folder))


def _exists(file: UsedFile) -> bool:
    path = Path(file.path)
    if path.exists():
        return True
    number = re.fullmatch(r"(.*?)\d+(\D*)", path.name)
    if not file.sequence or not number or not path.parent.is_dir():
        return False
    before, after = map(re.escape, number.groups())
    return any(re.fullmatch(rf"{before}\d+{after}", other.name) for other in path.parent.iterdir())


# -- whose files they are ------------------------------------------------------------------------------


def _of_image(image: Any) -> Iterator[UsedFile]:
    """Yield an image's files: one for each tile, the first of a sequence."""
    if image.source not in ("FILE", "SEQUENCE", "MOVIE", "TILED") or not image.filepath or image.packed_file:
        return
    if len(image.packed_files) or result_image.is_ours(image) or check_images.is_ours(image):
        return
    stored, whole = image.filepath, _absolute(image)
    numbers = [tile.number for tile in image.tiles] if image.source == "TILED" else [0]
    for number in numbers:
        u, v = (number - 1001) % 10 + 1, (number - 1001) // 10 + 1
        path = whole.replace("<UDIM>", str(number)).replace("<UVTILE>", f"u{u}_v{v}")
        yield UsedFile(path=path, stored=stored, owner=_owner(image), sequence=image.source == "SEQUENCE", whole=whole)


def _used(datablock: Any) -> bool:
    return bool(datablock.users > datablock.use_fake_user)


def _brings_nothing(library: Any) -> bool:
    """Tell whether nothing of a library is rendered.

    It stays empty after an append, and since 4.3 Blender links the brush in hand, with its material.
    """
    data: Any = bpy.data
    content = set(library.users_id)
    others = {one for one in content if not isinstance(one, bpy.types.Brush)}
    if len(others) == len(content):
        return not content
    return all(users <= content for users in data.user_map(subset=others).values())


def _owners() -> dict[str, str]:
    data = bpy.data
    kinds: tuple[Any, ...] = (data.libraries, data.sounds, data.movieclips, data.fonts, data.volumes, data.cache_files)
    return {_absolute(one): _owner(one) for kind in kinds for one in kind if one.filepath}


def _owner(datablock: Any) -> str:
    """Name a datablock: "image Wood"."""
    return f"{datablock.bl_rna.name.lower()} {datablock.name}"


def _absolute(datablock: Any) -> str:
    return os.path.normpath(bpy.path.abspath(datablock.filepath, library=datablock.library))
