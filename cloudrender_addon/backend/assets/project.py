# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of the project folder are sent."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from ..errors import ProjectError
from .bundle import Bundle, BundleFile
from .concerns import content_concerns, listed, preliminary_concerns, shown
from .rules import is_clutter, is_secret, read_ignore_file

_MAX_ENTRIES = 1_000_000
"""Files and folders looked at: links that lead in and out of each other's folders can make any number of them."""

_PRIVATE = "Not sent, because keys or passwords may be in it"
_BROKEN = "Not sent, because the link leads nowhere"
_CIRCULAR = "Not sent, because the link leads back to a folder it is in"
_UNREADABLE = "Not sent, because it cannot be read"
_SPECIAL = "Not sent, because it is not a regular file"
_UNNAMEABLE = "Not sent, because the name is not valid text"
_OUTSIDE = "Sent, though the link leads out of the project folder"


def scan_project(root: Path, *, outputs: Collection[Path], blend: Path) -> Bundle:
    """Walk the project folder and return what of it is sent.

    That is all but the folders `outputs`, clutter, secrets and what `.cloudrenderignore` names; but `blend` in any
    case. Links are followed, to files and to folders. The concerns begin with those of `preliminary_concerns(root)`:
    ask about these first, since walking such a folder may take very long. Raises `ProjectError`.
    """
    return _Scan(root, outputs=outputs, blend=blend).bundle()


class _Folder(NamedTuple):
    """A folder to look into. `above` are it and all that it is in: by them a circle of links is known."""

    path: Path
    prefix: str
    above: tuple[tuple[int, int], ...]


class _Scan:
    def __init__(self, root: Path, *, outputs: Collection[Path], blend: Path) -> None:
        self._root = root.absolute()
        self._home = root.resolve()
        self._outputs = {output.resolve() for output in outputs} - {self._home}
        self._blend = self._name_of(blend)
        self._ignored = read_ignore_file(self._root)
        self._looked_at = 0
        self._pending: list[_Folder] = []
        self._files: dict[str, BundleFile] = {}
        self._noted: defaultdict[str, list[str]] = defaultdict(list)

    def bundle(self) -> Bundle:
        try:
            self._pending.append(_Folder(self._root, "", (_identity(self._root.stat()),)))
        except OSError as error:
            raise ProjectError(
                f"The project folder {self._root} cannot be read: {error.strerror}", hint="Check that it is there still"
            ) from error
        while self._pending:
            self._walk(self._pending.pop())
        self._leave_outdated()
        if self._blend not in self._files:
            self._take_blend()
        files = tuple(self._files[name] for name in sorted(self._files))
        outside = listed(_OUTSIDE, self._noted.pop(_OUTSIDE, ()))
        return Bundle(
            root=self._root,
            files=files,
            concerns=(*preliminary_concerns(self._root), *content_concerns(files), *outside),
            notes=tuple(text for what, names in self._noted.items() for text in listed(what, names)),
        )

    def _name_of(self, blend: Path) -> str:
        for path, root in ((blend.absolute(), self._root), (blend.resolve(), self._home)):
            if path.is_relative_to(root) and path != root:
                name = path.relative_to(root).as_posix()
                if ".." not in name.split("/") and _is_text(name):
                    return name
        raise ProjectError(
            f"{shown(str(blend))} is not a file in the project folder {shown(str(self._root))}",
            hint="Run the command in the folder that holds the .blend and everything it uses.",
        )

    def _take_blend(self) -> None:
        """Take the .blend from where nothing else is taken: an ignored folder, the output folder."""
        path = self._root / self._blend
        try:
            self._take(path, self._blend, path.stat())
        except OSError as error:
            raise ProjectError(
                f"{shown(str(path))} cannot be read: {error.strerror}",
                hint="Check that it is there, and its rights",
            ) from error
        if self._blend not in self._files:
            raise ProjectError(f"{shown(str(path))} cannot be sent", hint="Check that it is a file that you may read.")

    def _leave_outdated(self) -> None:
        """Leave what a shader was compiled to before it was edited: on the machine nothing shows that it is older."""
        for name in [name for name in self._files if name.endswith(".oso")]:
            source = self._files.get(f"{name.removesuffix('.oso')}.osl")
            with contextlib.suppress(OSError):  # one that is gone is missed when it is read
                if source and self._files[name].source.stat().st_mtime < source.source.stat().st_mtime:
                    del self._files[name]

    def _walk(self, folder: _Folder) -> None:
        try:
            with os.scandir(folder.path) as entries:
                names = [entry.name for entry in entries]
        except OSError:
            self._noted[_UNREADABLE].append(folder.prefix)
            return
        for name in names:
            if is_clutter(name):
                continue
            if is_secret(name):
                self._leave(folder.prefix + name, _PRIVATE)
            elif not _is_text(name):
                self._leave(folder.prefix + name, _UNNAMEABLE)
            else:
                self._visit(folder.path / name, folder.prefix + name, above=folder.above)

    def _leave(self, name: str, why: str) -> None:
        """Note a file or folder that never is sent, unless it was not to be sent anyway."""
        if not (self._ignored.match_file(name) or self._ignored.match_file(name + "/")):
            self._noted[why].append(name)

    def _visit(self, path: Path, name: str, *, above: tuple[tuple[int, int], ...]) -> None:
        self._looked_at += 1
        if self._looked_at > _MAX_ENTRIES:
            raise ProjectError(
                f"{self._root} has more than {_MAX_ENTRIES:,} files and folders",
                hint="Render from a folder with only what it uses, or name what is not needed in .cloudrenderignore.",
            )
        try:
            status = path.stat()
        except OSError:
            if not self._ignored.match_file(name):
                self._noted[_BROKEN if path.is_symlink() else _UNREADABLE].append(name)
            return
        if not stat.S_ISDIR(status.st_mode):
            if not self._ignored.match_file(name):
                self._take(path, name, status)
        elif self._ignored.match_file(name + "/") or path.resolve() in self._outputs:
            return
        elif (identity := _identity(status)) in above:
            self._noted[_CIRCULAR].append(name)
        else:
            self._note_if_outside(path, name)
            self._pending.append(_Folder(path, name + "/", (*above, identity)))

    def _take(self, path: Path, name: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            self._noted[_SPECIAL].append(name)
        elif not os.access(path, os.R_OK):
            self._noted[_UNREADABLE].append(name)
        else:
            self._note_if_outside(path, name)
            self._files[name] = BundleFile(source=path, name=name, size=status.st_size)

    def _note_if_outside(self, path: Path, name: str) -> None:
        if path.is_symlink() and not path.resolve().is_relative_to(self._home):
            self._noted[_OUTSIDE].append(name)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_text(name: str) -> bool:
    """Tell whether a name can be told to another machine; on Linux any bytes can be one."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
