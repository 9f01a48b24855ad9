# SPDX-License-Identifier: GPL-3.0-or-later
"""Find everything that the open file uses, and give it its place in the bundle."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .datablocks import datablock_references
from .disk import Disk
from .placing import Places
from .reference import Kind, Reference
from .request import Answer, Request
from .resolving import Found, Resolver
from .usage import Usage


@dataclass(frozen=True)
class Blend:
    """A .blend that is sent. `folder` is what `//` means in it, `caches` where the caches lie that follow its place."""

    path: str
    name: str
    folder: str
    caches: str


def references(data: Any, usage: Usage) -> Iterator[Reference]:
    """Yield all places that name a file, in local and in linked datablocks."""
    yield from datablock_references(data, usage)


class Tracer:
    """One trace. What is linked is in memory with the file that links it, so that one file is opened and no more.

    Only a library in which a path has to change is opened for itself: see `rewriting.py`.
    """

    def __init__(self, request: Request, data: Any, answer: Answer) -> None:
        self._data = data
        self._answer = answer
        self._resolver = Resolver(Disk(), Places(request.project))
        original = request.original or request.blend
        self.main = Blend(request.blend, request.name, os.path.dirname(request.blend), os.path.dirname(original))
        self._blends: dict[Any, Blend | None] = {None: self.main}
        self._own_places = {os.path.normpath(path) for path in (request.blend, original)}
        self._placed: dict[tuple[str, Kind, tuple[str, ...]], Found] = {}
        self.changed: dict[str, Blend] = {}
        self._changes: dict[str, list[tuple[str, str]]] = {}

    def run(self) -> None:
        """Trace, and note in `changed` which .blends have to be rewritten."""
        self._answer.files[self.main.name] = self.main.path
        usage = Usage(self._data)
        found = list(references(self._data, usage))
        for reference in found:  # libraries come first: they say where the others are
            blend = self._holder(reference)
            if blend is None:
                continue  # the library itself is missing, and said to be
            if not reference.needed:
                path = self._resolver.absolute(reference.stored, self._base(reference, blend))
                self._answer.viewport_only.append(path)
                continue
            place = self._place(reference, blend)
            if reference.block.id_type == "LIBRARY":
                continue
            if place.name is not None and reference.store is not None:
                target = _relative(place.name, blend, like=reference.stored)
                if place.renamed or target != reference.stored:
                    self._note_change(blend, reference.stored, target)
        self._note_changed_links(usage)

    def changes(self, blend: Blend) -> list[tuple[str, str]]:
        """Return stored path and new path of what is to change in `blend`."""
        return self._changes.get(blend.name, [])

    def _note_change(self, blend: Blend, stored: str, target: str) -> None:
        self.changed[blend.name] = blend
        self._changes.setdefault(blend.name, []).append((stored, target))

    def _note_changed_links(self, usage: Usage) -> None:
        """Note the .blends whose paths to libraries change.

        What a library has stored of another library is not in memory if a third links that one, too: it is looked up.
        """
        for user, library in usage.links():
            blend, linked = self._blends.get(user), self._blends.get(library)
            if blend is None or linked is None:
                continue
            target = _relative(linked.name, blend, like="")
            if library.parent != user:
                stored = ""  # not known
            elif user is None or not library.filepath.startswith("//"):
                stored = library.filepath
            else:  # in memory it is relative to the main file
                path = self._resolver.absolute(library.filepath, self.main.folder)
                stored = "//" + os.path.relpath(path, blend.folder).replace(os.sep, "/")
            if stored != target:
                self._note_change(blend, stored, target)

    def rewrite(self, blend: Blend) -> int:
        """Store the new paths of the local datablocks of the open file, which is `blend`. Return how many changed."""
        count = 0
        self._blends = {None: blend}
        for reference in references(self._data, Usage(self._data)):
            if reference.block.library is not None or reference.store is None:
                continue
            path = self._resolver.absolute(reference.stored, self._base(reference, blend))
            found = self._placed.get((path, reference.kind, reference.names))
            if found is None or found.name is None:
                continue
            target = _relative(found.name, blend, like=reference.stored)
            if target != reference.stored:
                reference.store(target)
                count += 1
        return count

    # -- one reference ----------------------------------------------------------------------------------------

    def _place(self, reference: Reference, blend: Blend) -> Found:
        path = self._resolver.absolute(reference.stored, self._base(reference, blend))
        is_library = reference.block.id_type == "LIBRARY"
        if is_library and os.path.normpath(path) in self._own_places:
            found = Found(path, self.main.name)  # a library that links back: it is here already
        else:
            found = self._resolver.find(path, reference.kind, names=reference.names, contents=reference.contents)
        self._placed[path, reference.kind, reference.names] = found
        self._answer.files.update({name: source for name, source in found.files.items() if name != self.main.name})
        library = reference.block.library
        for missing in found.missing if reference.required else ():
            name = library.name if library is not None else ""
            self._answer.missing.append({"owner": reference.owner, "path": missing, "library": name})
        for left_out, why in found.left_out:
            self._answer.left_out.append({"owner": reference.owner, "path": left_out, "why": why})
        if is_library:
            self._blends[reference.block] = _as_blend(found)
        return found

    def _holder(self, reference: Reference) -> Blend | None:
        """Return the .blend in which a reference is stored. An indirect library is stored in the one that links it."""
        if reference.block.id_type == "LIBRARY":
            return self.main
        return self._blends.get(reference.block.library)

    def _base(self, reference: Reference, blend: Blend) -> str:
        return blend.caches if reference.beside_original else blend.folder


def _as_blend(found: Found) -> Blend | None:
    if found.name is None:
        return None
    path = next(iter(found.files.values()), found.path)
    return Blend(path, found.name, os.path.dirname(path), os.path.dirname(path))


def _relative(name: str, blend: Blend, *, like: str) -> str:
    """Return a path in the bundle as it is stored in `blend`. Folders keep the slash at their end."""
    path = "//" + posixpath.relpath(name or ".", posixpath.dirname(blend.name) or ".")
    return path + "/" if like.endswith(("/", "\\")) else path
