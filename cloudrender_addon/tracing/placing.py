# SPDX-License-Identifier: GPL-3.0-or-later
"""Which name a file gets in the bundle, and which folders are never walked."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re

OUTSIDE = "_outside"
_UNNAMEABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters; bytes that are no text


class Places:
    """Names below the project, an absolute and normal path, for files from anywhere.

    What is inside the project keeps its place; what is outside gets `_outside/FOLDER-HASH/…`, by the folder's path.
    """

    def __init__(self, project: str) -> None:
        self._roots = list(dict.fromkeys((project, os.path.realpath(project))))
        self._homes = {os.path.realpath(os.path.expanduser("~")), os.path.expanduser("~")}

    def name(self, path: str) -> str:
        """Return the name of a file or folder, an absolute and normal path."""
        folder, name = os.path.split(path)
        inside = self._inside(path)
        if inside is None and (real := self._inside(os.path.realpath(folder))) is not None:
            inside = posixpath.join(real, name) if real else name
        if inside is not None:
            return _nameable(inside)
        return posixpath.join(self._outside(folder), _nameable(name))

    def folder_name(self, path: str) -> str:
        """Return the name of a folder whose content is sent."""
        inside = self._inside(path)
        if inside is None:
            inside = self._inside(os.path.realpath(path))
        return _nameable(inside) if inside is not None else self._outside(path)

    def why_not_walked(self, path: str) -> str | None:
        """Say why a folder is none that a cache can be in, None if it may be walked."""
        if not path:
            return "the path is empty"
        for folder in dict.fromkeys((os.path.normpath(path), os.path.realpath(path))):
            if os.path.dirname(folder) == folder:
                return "it is a whole disk"
            for home in self._homes:
                if folder == home:
                    return "it is the home folder"
                if _is_within(home, folder):
                    return "the home folder is in it"
            if any(_is_within(root, folder) and root != folder for root in self._roots):
                return "the project folder is in it"
        return None

    def _inside(self, path: str) -> str | None:
        for root in self._roots:
            if path == root:
                return ""
            if _is_within(path, root):
                return path[len(root.rstrip(os.sep)) + 1 :].replace(os.sep, "/")
        return None

    def _outside(self, folder: str) -> str:
        key = hashlib.sha256(folder.encode("utf-8", errors="surrogateescape")).hexdigest()[:8]
        return f"{OUTSIDE}/{_nameable(os.path.basename(folder)) or 'disk'}-{key}"


def is_nameable(name: str) -> bool:
    """Tell whether a name is text that another computer can take: UTF-8 without control characters."""
    return name.isprintable() or not _UNNAMEABLE.search(name)


def _nameable(path: str) -> str:
    if is_nameable(path):
        return path
    return posixpath.join(*(part if is_nameable(part) else _escaped(part) for part in path.split("/")))


def _escaped(name: str) -> str:
    key = hashlib.sha256(name.encode("utf-8", errors="surrogateescape")).hexdigest()[:8]
    stem, dot, suffix = name.rpartition(".")
    clean = "".join(letter if is_nameable(letter) else "_" for letter in (stem if dot else name))
    return f"{clean}-{key}.{suffix}" if dot and is_nameable(suffix) else f"{clean}-{key}"


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)
