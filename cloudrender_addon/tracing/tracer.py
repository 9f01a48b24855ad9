# SPDX-License-Identifier: GPL-3.0-or-later
"""Find everything that a .blend uses, and give it its place in the bundle."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from typing import Any

from .blends import Blend, Blends
from .compat import known_paths
from .datablocks import datablock_references
from .nodes import node_references
from .objects import object_references
from .reference import Kind, Reference
from .request import Answer
from .resolving import Found, Resolver
from .strips import strip_references
from .usage import Usage

_UNSENT = {"BRUSH", "LIBRARY", "TEXT"}
"""Of what Blender lists: pictures of brushes, libraries (known already), and texts, whose content is in the .blend."""


def references(data: Any, usage: Usage) -> Iterator[Reference]:
    """Yield all places that name a file. Libraries come first: they say where the others are."""
    yield from datablock_references(data, usage)
    yield from node_references(data)
    yield from object_references(data)
    yield from strip_references(data)


class Tracer:
    """One trace. All that the .blend uses is in memory, linked.

    `simulations` are the references to simulations of which nothing was found on the disk, each with its .blend.
    """

    def __init__(self, data: Any, blends: Blends, resolver: Resolver, answer: Answer) -> None:
        self._data = data
        self._blends = blends
        self._resolver = resolver
        self._answer = answer
        self._found: dict[Any, Found] = {}
        self._known = {"", *blends.own_places}
        self.simulations: list[tuple[Blend, Reference]] = []

    def run(self) -> None:
        """Trace. What has to change is noted in the .blends."""
        main = self._blends.main
        self._answer.files[main.name] = main.path
        usage = Usage(self._data)
        self._blends.take_archives(self._data)
        for reference in references(self._data, usage):
            if reference.block.id_type == "LIBRARY":
                self._take_library(reference)
            elif (blend := self._blends.of(reference.block.library)) is not None:
                self._take(reference, blend)
        self._take_unknown()
        self._note_lost(usage)
        self._blends.note_links(usage)

    def _take_library(self, reference: Reference) -> None:
        path = self._blends.path(reference.block)
        if self._blends.is_main(reference.block) or path in self._blends.own_places:
            return  # the main file, or one that links back: all that is in it is known
        self._known.add(path)
        if not reference.needed:
            self._answer.viewport_only.append(path)
            return
        found = self._resolver.find(path, Kind.FILE)
        self._note(found, reference)
        self._answer.files.update(found.files)
        self._blends.take(reference.block, found)

    def _take(self, reference: Reference, holder: Blend) -> None:
        (blend, first), *others = self._places(reference, holder)
        self._known.update((first, *(path for _, path in others)))
        self._known.update(os.path.join(first, name) for name in reference.names)
        if not reference.needed:
            self._answer.viewport_only.append(first)
            return
        found = self._find(reference, first, blend)
        for base, path in others:
            if found.files and not reference.of_either:
                break
            other = self._find(reference, path, base)  # of either, all are sent and the first is what the path leads to
            if not found.files:
                blend, found = base, other if other.files else found
        if reference.simulation and not found.files:
            self.simulations.append((holder, reference))
        self._note(found, reference)
        if found.name is not None and reference.kind is not Kind.BLENDCACHE:
            _note_change(holder, reference, blend.stored(found.name))

    def _take_unknown(self) -> None:
        """Send what Blender itself knows of and the tables do not: a kind of a later version, perhaps."""
        main = self._blends.main
        known = self._known | {self._resolver.absolute(one.filepath, main.folder) for one in self._data.texts}
        for block, path in known_paths(self._data):
            holder = main if block is None else self._blends.of(block.library)
            if holder is None or (block is not None and block.id_type in _UNSENT):
                continue
            absolute = self._resolver.absolute(path, holder.folder)
            if absolute not in known and os.path.isfile(absolute):
                owner = "the file" if block is None else f"{block.id_type.lower()} {block.name}"
                self._take(Reference(owner=owner, block=block, path=path), holder)

    def _note_lost(self, usage: Usage) -> None:
        """Note libraries that are there and cannot be read, and datablocks that are no longer in theirs."""
        lost: dict[Any, list[Any]] = {}
        for block in usage.blocks():
            if block.is_missing and self._blends.of(block.library) is not None:
                lost.setdefault(block.library, []).append(block)
        for library, blocks in lost.items():
            path = self._blends.path(library)
            if all(block.is_missing for block in library.users_id if block.library == library):
                owner = f"library {library.name} (it cannot be read)"
                self._answer.missing.append({"owner": owner, "path": path, "library": ""})
                continue
            for block in blocks:
                owner = f"{block.id_type.lower()} {block.name} (it is not in the library)"
                self._answer.missing.append({"owner": owner, "path": path, "library": library.name})

    # -- one reference ----------------------------------------------------------------------------------------

    def _places(self, reference: Reference, holder: Blend) -> list[tuple[Blend, str]]:
        """Return where a reference that `holder` has may lead to, and whose folder `//` would be then.

        A snapshot's paths lead to the user's files from where it is, but for those that Blender forgets to make so:
        bakes of geometry nodes, layers of cache files, files chosen in a modifier. These do from the original's place.
        """
        bases = [self._blends.main] if reference.of_main or reference.of_either else []
        if reference.relative_to is not None and (blend := self._blends.of(reference.relative_to.library)) is not None:
            bases.append(blend)
        if reference.of_either or not bases:
            bases.append(holder)
        places: dict[str, Blend] = {}
        for base in bases:
            if reference.kind is Kind.BLENDCACHE:
                places.setdefault(os.path.join(base.caches, _blendcache(base)), base)
                continue
            for folder in [base.caches] if reference.beside_original else [base.folder, base.caches]:
                places.setdefault(self._resolver.absolute(reference.path, folder), base)
        return [(base, path) for path, base in places.items()]

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

    def _note(self, found: Found, reference: Reference) -> None:
        library = getattr(reference.block, "library", None)
        inside = "" if library is None or self._blends.is_main(library) else library.name
        for path in found.missing if reference.required else ():
            self._answer.missing.append({"owner": reference.owner, "path": path, "library": inside})
        for path, why in found.left_out if reference.path or reference.required else ():
            self._answer.left_out.append({"owner": reference.owner, "path": path, "why": why})


def _note_change(holder: Blend, reference: Reference, target: str) -> None:
    if reference.kind is not Kind.NAMES:
        holder.change(reference.path, target)
        return
    # A movie strip's path is put together from folder and name: how the folder ends is not known.
    folder = reference.path.rstrip("/\\") or "/"
    for stored in (reference.path, folder, folder + "/", folder + "\\"):
        if stored.strip("/\\") or stored == reference.path:
            holder.change(stored, target)


def _blendcache(blend: Blend) -> str:
    return f"blendcache_{os.path.splitext(os.path.basename(blend.name))[0]}"
