# SPDX-License-Identifier: GPL-3.0-or-later
"""From a stored path to the files on this computer, and to the names that these get in the bundle."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from .disk import Disk, fold
from .placing import Places, is_nameable
from .reference import Contents, Kind

_LONGEST_SCRIPT = 1_000_000
_TILE = re.compile(r"<(?:UDIM|UVTILE)>")
_TILE_NUMBER = {"<UDIM>": r"\d{4}", "<UVTILE>": r"u\d+_v\d+"}
_LAST_NUMBER = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_WINDOWS_ABSOLUTE = re.compile(r"[A-Za-z]:[\\/]|\\\\")


@dataclass(frozen=True)
class Found:
    """What a path stands for: `name` is the path itself in the bundle, None if it leads nowhere.

    `files` are name → source.
    `renamed` are the members of a NAMES reference whose spelling differs on the disk.
    """

    path: str
    name: str | None
    files: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()  # path, why


class Resolver:
    """Looks on the disk, once for each path."""

    def __init__(self, disk: Disk, project: str) -> None:
        self._disk = disk
        project = os.path.normpath(os.path.abspath(project))
        self._places = Places(disk.true_path(project) or project)

    def absolute(self, stored: str, folder: str) -> str:
        """Return the absolute, normal path of what is stored in a .blend in `folder`."""
        if not stored:
            return ""
        path = self._joined(stored, folder)
        if os.sep == "/" and "\\" in path and not os.path.lexists(path):
            path = self._joined(stored.replace("\\", "/"), folder)
        normal = os.path.normpath(path)
        if ".." in path.split(os.sep) and os.path.realpath(path) != os.path.realpath(normal) and os.path.exists(path):
            # A link to a folder followed by ".." leads to where the folder really is.
            return os.path.realpath(os.path.dirname(path)) + os.sep + os.path.basename(path)
        return normal

    def name(self, path: str) -> str:
        """Return the name that an absolute path would have in the bundle."""
        return self._places.name(self._disk.true_path(path) or path)

    def find(self, path: str, kind: Kind) -> Found:
        """Return what is there of an absolute path."""
        if kind is Kind.SEQUENCE:
            return self._sequence(path)
        if kind is Kind.TILES:
            return self._tiles(path)
        if kind is Kind.SCRIPT:
            return self._script(path)
        return self._file(path)

    def _joined(self, stored: str, folder: str) -> str:
        if stored.startswith("//") and not (os.sep == "\\" and stored.startswith("///")):
            return os.path.join(folder, stored[2:].lstrip("/\\").replace("/", os.sep))
        if os.sep == "/" and _WINDOWS_ABSOLUTE.match(stored):
            return stored  # a path of another computer: it is shown as it is
        return os.path.join(folder, stored)

    # -- the kinds ------------------------------------------------------------------------------------------

    def _file(self, path: str) -> Found:
        true = self._disk.true_path(path) if os.path.isabs(path) else None
        if true is None or not self._disk.is_file(true):
            return Found(path, None, missing=(path,))
        name = self._places.name(true)
        return Found(path, name, {name: true})

    def _script(self, path: str) -> Found:
        """Return a script, what it was compiled to unless that is out of date, and the files that it includes."""
        found = self._file(path)
        files = dict(found.files)
        for name, source in found.files.items():
            compiled = os.path.splitext(source)[0] + ".oso"
            if self._disk.is_file(compiled) and os.path.getmtime(compiled) >= os.path.getmtime(source):
                files[os.path.splitext(name)[0] + ".oso"] = compiled
            for included in _included(source):
                files[posixpath.join(posixpath.dirname(name), included)] = os.path.join(
                    os.path.dirname(source), included
                )
        return Found(path, found.name, files, found.missing)

    def _sequence(self, path: str) -> Found:
        folder, base = os.path.split(path)
        stem, suffix = os.path.splitext(base)
        number = _LAST_NUMBER.fullmatch(stem)
        if not number:
            return self._file(path)
        head, digits, tail = number.groups()
        return self._numbered(path, folder, head, _Number(len(digits)), tail + suffix)

    def _tiles(self, path: str) -> Found:
        folder, base = os.path.split(path)
        token = _TILE.search(base)
        if not token:
            return self._file(path)
        return self._numbered(
            path, folder, base[: token.start()], re.compile(_TILE_NUMBER[token[0]]), base[token.end() :]
        )

    def _numbered(self, path: str, folder: str, head: str, number: _Number | re.Pattern[str], tail: str) -> Found:
        """Return the files whose names are `head`, a number, `tail`.

        All get one spelling, since frames differ by their numbers alone.
        """
        true = self._disk.true_path(folder) if os.path.isabs(path) else None
        members = list(_members(self._disk.entries(true), head, number, tail)) if true is not None else []
        if true is None or not members:
            return Found(path, None, missing=(path,))
        exact = [member for member in members if member[0] == head + member[1] + tail]
        if not exact:  # the case is another on the disk
            name, middle = members[0]
            head, tail = name[: len(head)], name[len(head) + len(middle) :]
        base = self._places.name(os.path.join(true, os.path.basename(path)))
        where = base.rpartition("/")[0]
        files: dict[str, str] = {}
        for name, middle in [*(m for m in members if m not in exact), *exact]:
            files[_under(where, head + middle + tail)] = os.path.join(true, name)
        length = len(os.path.basename(path)) - len(tail)
        return Found(path, _under(where, head + os.path.basename(path)[len(head) : length] + tail), files)

    def names(self, path: str, names: tuple[str, ...]) -> Found:
        """Return the files of these names in a folder."""
        true = self._disk.true_path(path) if os.path.isabs(path) else None
        if true is None:
            return Found(path, None, missing=tuple(os.path.join(path, name) for name in names))
        where = self._places.folder_name(true)
        files: dict[str, str] = {}
        missing: list[str] = []
        left_out: list[tuple[str, str]] = []
        entries = self._disk.entries(true)
        for name in dict.fromkeys(names):
            listed = os.path.join(true, name)
            source = listed if entries.get(name) is False else self._disk.true_path(listed)
            if source is None or not self._disk.is_file(source):
                missing.append(os.path.join(path, name))
            elif not is_nameable(name):
                left_out.append((source, "its name is not valid text"))
            elif "/" in name or os.sep in name or name in (os.curdir, os.pardir):
                left_out.append((source, "its name is a path"))
            else:
                files[_under(where, name)] = source  # as the .blend spells it
        return Found(path, where, files, tuple(missing), tuple(left_out))

    def folder(self, path: str, contents: Contents, *, place: str | None = None) -> Found:
        """Return a cache's files; `place` is the folder's name in the bundle if that does not follow from the path."""
        refused = self._places.why_not_walked(path)
        if refused:
            return Found(path, None, left_out=((path, f"not walked: {refused}"),))
        true = self._disk.true_path(path) if os.path.isabs(path) else None
        if true is None or not self._disk.is_folder(true):
            return Found(path, None, missing=(path,))
        where = self._places.folder_name(true) if place is None else place
        files: dict[str, str] = {}
        left_out: list[tuple[str, str]] = []
        for relative in self._members_of(true, contents):
            if is_nameable(relative):
                files[_under(where, relative)] = os.path.join(true, relative)
            else:
                left_out.append((os.path.join(true, relative), "its name is not valid text"))
        return Found(path, where, files, left_out=tuple(left_out))

    def _members_of(self, folder: str, contents: Contents) -> Iterator[str]:
        for name, is_folder in self._disk.entries(folder).items():
            if is_folder:
                if name in contents.subfolders:
                    yield from self._all_below(os.path.join(folder, name), name, {os.path.realpath(folder)})
            elif contents.suffixes and name.endswith(contents.suffixes) and name.startswith(contents.prefixes):
                yield name

    def _all_below(self, folder: str, prefix: str, above: set[str]) -> Iterator[str]:
        real = os.path.realpath(folder)
        if real in above:
            return  # a link that leads back
        for name, is_folder in self._disk.entries(folder).items():
            if is_folder:
                yield from self._all_below(os.path.join(folder, name), f"{prefix}/{name}", {*above, real})
            else:
                yield f"{prefix}/{name}"


class _Number:
    """A frame number as Blender writes it: padded to so many digits, longer if it has to be."""

    def __init__(self, digits: int) -> None:
        self._digits = digits

    def fullmatch(self, text: str) -> bool:
        fits = len(text) == self._digits or (len(text) > self._digits and text[0] != "0")
        return fits and text.isascii() and text.isdigit()


def _members(
    entries: dict[str, bool], head: str, number: _Number | re.Pattern[str], tail: str
) -> Iterator[tuple[str, str]]:
    """Yield file name and number of what is spelt like that, whatever the case."""
    folded_head, folded_tail = fold(head), fold(tail)
    for name, is_folder in entries.items():
        if is_folder or not (fold(name).startswith(folded_head) and fold(name).endswith(folded_tail)):
            continue
        middle = name[len(head) : len(name) - len(tail)]
        if middle and number.fullmatch(middle):
            yield name, middle


def _under(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _included(source: str) -> list[str]:
    """Return the relative paths of what a script includes, and these in turn: files below its folder."""
    folder = os.path.dirname(source)
    found: list[str] = []
    pending = [os.path.basename(source)]
    while pending:
        try:
            with open(os.path.join(folder, pending.pop()), encoding="utf-8", errors="replace") as file:
                text = file.read(_LONGEST_SCRIPT)
        except (OSError, ValueError):
            continue
        for name in map(posixpath.normpath, _INCLUDE.findall(text)):
            inside = not name.startswith(("../", "/")) and is_nameable(name)
            if inside and name not in found and os.path.isfile(os.path.join(folder, name)):
                found.append(name)
                pending.append(name)
    return found
