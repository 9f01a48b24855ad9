# SPDX-License-Identifier: GPL-3.0-or-later
"""The .blends that are sent: which library is which file, what `//` means in it, and what is to change in it."""

from __future__ import annotations

import os
import posixpath
import time
from dataclasses import dataclass, field
from typing import Any

import bpy

from .compat import is_archive
from .request import Request
from .resolving import Found, Resolver
from .usage import Usage


@dataclass(frozen=True)
class Blend:
    """A .blend. `folder` is what `//` means in it, `caches` where the caches lie that follow its place.

    `targets` are stored path → path in the bundle, changed or not: the first that is noted holds. `packed` are the
    changes in datablocks that are packed in it and are still a library's, from 5.0 on: by what is stored of that
    library's path. `size` (bytes) and `mtime_ns` are the file's as it was read; both -1 if that is not known.
    """

    path: str
    name: str
    folder: str
    caches: str
    targets: dict[str, str] = field(default_factory=dict)
    packed: dict[str, dict[str, str]] = field(default_factory=dict)
    size: int = -1
    mtime_ns: int = -1

    def stored(self, name: str) -> str:
        """Return a place in the bundle as it is stored in this .blend."""
        path = posixpath.relpath(name or ".", posixpath.dirname(self.name) or ".")
        return "//" if path == "." else f"//{path}"

    def change(self, stored: str, target: str) -> None:
        """Note a path that changes. A folder keeps the slash at its end."""
        if stored.endswith(("/", "\\")) and not target.endswith("/"):
            target += "/"
        self.targets.setdefault(stored, target)

    @property
    def changes(self) -> dict[str, str]:
        """Return those that differ."""
        return {stored: target for stored, target in self.targets.items() if stored != target}


class Reading:
    """Looks which files are read: the main .blend before it is, its libraries, which nobody knows by then, after it.

    Of each its size in bytes and its time, -1 and -1 if it may not be what was read.
    """

    def __init__(self, main: str) -> None:
        self.main = _size_and_time(main)
        self._began_ns = time.time_ns()

    def library(self, path: str) -> tuple[int, int]:
        """Look at a library that has just been read: one that was saved since it was begun is not known."""
        size, mtime_ns = _size_and_time(path)
        return (-1, -1) if self._began_ns <= mtime_ns <= time.time_ns() else (size, mtime_ns)


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


class Blends:
    """All .blends of a trace. `main` is the one that is rendered, whose library in memory is `library`.

    `reading` is from when to when they were read.
    """

    def __init__(self, request: Request, library: Any, resolver: Resolver, *, reading: Reading) -> None:
        original = request.original or request.blend
        folders = os.path.dirname(request.blend), os.path.dirname(original)
        size, mtime_ns = reading.main
        self.main = Blend(request.blend, request.name, *folders, size=size, mtime_ns=mtime_ns)
        self._reading = reading
        self._library = library
        self._resolver = resolver
        self.own_places = {os.path.normpath(path) for path in (request.blend, original)}
        self._names = dict.fromkeys(self.own_places, request.name)  # absolute path → name in the bundle
        self._blends: dict[Any, Blend | None] = {library: self.main}
        self._archives: dict[str, Blend] = {}  # absolute path → what is packed of it, as if it were there
        self._linking: set[str] = set()

    def of(self, library: Any) -> Blend | None:
        """Return a library's .blend; None if it is missing, or is not sent, or if all in it is the main one's."""
        return self._blends.get(library)

    def is_main(self, library: Any) -> bool:
        return bool(library == self._library)

    def path(self, library: Any) -> str:
        """Return a library's absolute path."""
        return self._resolver.absolute(bpy.path.abspath(library.filepath), self.main.folder)

    def take(self, library: Any, found: Found) -> None:
        """Take a library that was found."""
        if found.name is not None:
            source = found.files[found.name]
            folder = os.path.dirname(source)
            self._names[found.path] = found.name
            size, mtime_ns = self._reading.library(source)
            self._blends[library] = Blend(source, found.name, folder, folder, size=size, mtime_ns=mtime_ns)

    def take_archives(self, data: Any) -> None:
        """Take the libraries that stand for what is packed of them: `//` is their folder, there or not."""
        for library in data.libraries:
            if is_archive(library):
                path = self.path(library)
                folder = os.path.dirname(path)
                packed = self._archives.setdefault(path, Blend(path, self._resolver.name(path), folder, folder))
                self._blends[library] = packed

    def note_links(self, usage: Usage) -> None:
        """Note which .blends have paths of libraries: what they are is to be looked up in the files.

        In memory they are those of whoever linked a library first.
        """
        self._linking = {blend.name for user, _ in usage.links() if (blend := self.of(user)) is not None}

    def sent(self) -> list[Blend]:
        """Return the .blends that are sent, the main one first."""
        return [one for library, one in self._blends.items() if one is not None and not is_archive(library)]

    def links_others(self, blend: Blend) -> bool:
        return blend.name in self._linking

    def note_libraries(self, blend: Blend, stored: list[str]) -> None:
        """Note what changes of the libraries' paths that are stored in a .blend, and of what is packed of them."""
        for path in stored:
            absolute = self._resolver.absolute(path, blend.folder)
            packed = self._archives.get(absolute)
            if packed is not None and packed.changes:
                blend.packed[path] = packed.changes
            name = self._names.get(absolute) or (packed.name if packed else None)
            if name is not None:
                blend.change(path, blend.stored(name))
