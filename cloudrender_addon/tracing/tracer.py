# SPDX-License-Identifier: GPL-3.0-or-later
"""Find everything that a .blend uses, and give it its place in the bundle."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import bpy

from .compat import known_paths
from .datablocks import datablock_references
from .disk import Disk
from .nodes import node_references
from .objects import object_references
from .placing import Places
from .reference import Kind, Reference
from .request import Answer, Request
from .resolving import Found, Resolver
from .strips import strip_references
from .usage import Usage

_UNSENT = {"BRUSH", "LIBRARY", "TEXT"}
"""Of what Blender lists: pictures of brushes, libraries (known already), and texts, whose content is in the .blend."""


@dataclass(frozen=True)
class Blend:
    """A .blend that is sent. `folder` is what `//` means in it, `caches` where the caches lie that follow its place.

    `changes` are stored path → path in the bundle; `links` says whether there may be libraries to be looked for.
    """

    path: str
    name: str
    folder: str
    caches: str
    changes: dict[str, str] = field(default_factory=dict)

    def stored(self, name: str) -> str:
        """Return a place in the bundle as it is stored in this .blend."""
        path = posixpath.relpath(name or ".", posixpath.dirname(self.name) or ".")
        return "//" if path == "." else f"//{path}"


def references(data: Any, usage: Usage) -> Iterator[Reference]:
    """Yield all places that name a file."""
    yield from datablock_references(data, usage)
    yield from node_references(data)
    yield from object_references(data)
    yield from strip_references(data)


class Tracer:
    """One trace. All that the .blend uses is in memory, linked: `main` is its library."""

    def __init__(self, request: Request, data: Any, main: Any, answer: Answer) -> None:
        self._data = data
        self._answer = answer
        self._resolver = Resolver(Disk(), Places(request.project))
        original = request.original or request.blend
        caches = os.path.dirname(original)
        self.main = Blend(request.blend, request.name, os.path.dirname(request.blend), caches)
        self._library = main
        self._own_places = {os.path.normpath(path) for path in (request.blend, original)}
        self._blends: dict[Any, Blend | None] = {main: self.main}
        self._libraries: dict[str, str] = dict.fromkeys(self._own_places, request.name)  # absolute path → name
        self._linking: set[str] = set()
        self._found: dict[Any, Found] = {}
        self._simulations: list[tuple[Blend, Reference]] = []
        self._known = {"", *self._own_places}

    def run(self) -> None:
        """Trace. What has to change is noted in the .blends of `blends()`."""
        self._answer.files[self.main.name] = self.main.path
        usage = Usage(self._data)
        for reference in references(self._data, usage):  # libraries come first: they say where the others are
            if reference.block.id_type == "LIBRARY":
                self._take_library(reference)
            elif (blend := self._blends.get(reference.block.library)) is not None:
                self._take(reference, blend)
        self._take_unknown()
        self._note_lost(usage)
        self._linking = {blend.name for user, _ in usage.links() if (blend := self._blends.get(user)) is not None}

    def simulations(self) -> list[tuple[Blend, Reference]]:
        """Return the references to simulations of which nothing was found on the disk, each with its .blend."""
        return self._simulations

    def blends(self) -> list[Blend]:
        """Return the .blends that are sent, the main one first."""
        return [blend for blend in self._blends.values() if blend is not None]

    def links_others(self, blend: Blend) -> bool:
        """Tell whether the paths of libraries are to be looked up in a .blend.

        In memory they are those of whoever linked them first.
        """
        return blend.name in self._linking

    def note_libraries(self, blend: Blend, stored: list[str]) -> None:
        """Note what changes of the libraries' paths that are stored in `blend`."""
        for path in stored:
            name = self._libraries.get(self._resolver.absolute(path, blend.folder))
            if name is not None and blend.stored(name) != path:
                blend.changes[path] = blend.stored(name)

    # -- one reference ----------------------------------------------------------------------------------------

    def _take_library(self, reference: Reference) -> None:
        library = reference.block
        path = self._resolver.absolute(bpy.path.abspath(library.filepath), self.main.folder)
        if library == self._library:
            return
        if path in self._own_places:
            self._blends[library] = None  # a library that links back: all that is in it is known already
            return
        if not reference.needed:
            self._answer.viewport_only.append(path)
            return
        found = self._resolver.find(path, Kind.FILE)
        self._known.add(path)
        self._note(found, reference)
        if found.name is not None:
            self._answer.files.update(found.files)
            source = found.files[found.name]
            folder = os.path.dirname(source)
            self._libraries[path] = found.name
            self._blends[library] = Blend(source, found.name, folder, folder)

    def _take(self, reference: Reference, holder: Blend) -> None:
        blend = self._base(reference, holder)
        path = self._path(reference, blend)
        self._known.update((path, *(os.path.join(path, name) for name in reference.names)))
        if not reference.needed:
            self._answer.viewport_only.append(path)
            return
        found = self._find(reference, path, blend)
        if reference.simulation and not found.files:
            self._simulations.append((holder, reference))
        self._note(found, reference)
        if found.name is not None and reference.kind is not Kind.BLENDCACHE:
            self._note_change(holder, reference, blend.stored(found.name))

    def _take_unknown(self) -> None:
        """Send what Blender itself knows of and the tables do not: a kind of a later version, perhaps."""
        unsent = {self._resolver.absolute(one.filepath, self.main.folder) for one in self._data.texts}
        for block, path in known_paths(self._data):
            holder = self.main if block is None else self._blends.get(block.library)
            if holder is None or (block is not None and block.id_type in _UNSENT):
                continue
            owner = "the file" if block is None else f"{block.id_type.lower()} {block.name}"
            absolute = self._resolver.absolute(path, holder.folder)
            if absolute not in self._known | unsent and os.path.isfile(absolute):
                self._take(Reference(owner=owner, block=block or self._library, path=path), holder)

    def _note_lost(self, usage: Usage) -> None:
        """Note libraries that are there and cannot be read, and datablocks that are no longer in theirs."""
        lost: dict[Any, list[Any]] = {}
        for block in usage.blocks():
            if block.is_missing and self._blends.get(block.library) is not None:
                lost.setdefault(block.library, []).append(block)
        for library, blocks in lost.items():
            path = self._resolver.absolute(bpy.path.abspath(library.filepath), self.main.folder)
            if all(block.is_missing for block in library.users_id if block.library == library):
                owner = f"library {library.name} (it cannot be read)"
                self._answer.missing.append({"owner": owner, "path": path, "library": ""})
                continue
            for block in blocks:
                owner = f"{block.id_type.lower()} {block.name} (it is not in the library)"
                self._answer.missing.append({"owner": owner, "path": path, "library": library.name})

    def _base(self, reference: Reference, holder: Blend) -> Blend:
        """Return the .blend whose folder `//` is in a reference that `holder` has."""
        if reference.of_main:
            return self.main
        if reference.relative_to is not None:
            return self._blends.get(reference.relative_to.library) or holder
        return holder

    def _path(self, reference: Reference, blend: Blend) -> str:
        if reference.kind is Kind.BLENDCACHE:
            return os.path.join(blend.caches, _blendcache(blend))
        return self._resolver.absolute(reference.path, blend.caches if reference.beside_original else blend.folder)

    def _find(self, reference: Reference, path: str, blend: Blend) -> Found:
        """Return what a reference leads to, looked for once: a thousand objects may have their caches in one folder."""
        key = (path, blend.name, reference.kind, reference.names, reference.contents)
        if key not in self._found:
            if reference.kind is Kind.BLENDCACHE:
                place = posixpath.join(posixpath.dirname(blend.name), _blendcache(blend))
                self._found[key] = self._resolver.folder(path, reference.contents, place=place)
            elif reference.kind is Kind.FOLDER:
                self._found[key] = self._resolver.folder(path, reference.contents)
            elif reference.kind is Kind.NAMES:
                self._found[key] = self._resolver.names(path, reference.names)
            else:
                self._found[key] = self._resolver.find(path, reference.kind)
            self._answer.files.update(self._found[key].files)
        return self._found[key]

    def _note_change(self, holder: Blend, reference: Reference, target: str) -> None:
        if reference.kind is Kind.NAMES:
            # A movie strip's path is put together from folder and name: how the folder ends is not known.
            folder = reference.path.rstrip("/\\") or "/"
            for stored in (reference.path, folder, folder + "/", folder + "\\"):
                if stored.strip("/\\") or stored == reference.path:
                    _change(holder, stored, target)
        else:
            _change(holder, reference.path, target)

    def _note(self, found: Found, reference: Reference) -> None:
        library = reference.block.library
        inside = library.name if library is not None and library != self._library else ""
        for path in found.missing if reference.required else ():
            self._answer.missing.append({"owner": reference.owner, "path": path, "library": inside})
        for path, why in found.left_out if reference.path or reference.required else ():
            self._answer.left_out.append({"owner": reference.owner, "path": path, "why": why})


def _blendcache(blend: Blend) -> str:
    return f"blendcache_{os.path.splitext(os.path.basename(blend.name))[0]}"


def _change(holder: Blend, stored: str, target: str) -> None:
    if stored.endswith(("/", "\\")) and not target.endswith("/"):
        target += "/"
    if stored != target:
        holder.changes[stored] = target
