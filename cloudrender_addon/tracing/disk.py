# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the disk under which name: each folder is read once, whatever number of files is in it."""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Iterator


def fold(name: str) -> str:
    """Return what is the same for names that a disk without letter case holds for the same."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


class Disk:
    """The folders read so far."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, bool]] = {}
        self._folded: dict[str, dict[str, str]] = {}
        self._true: dict[str, str | None] = {}

    def entries(self, folder: str) -> dict[str, bool]:
        """Return name → is it a folder, of folders and regular files; links count as what they lead to.

        Empty for what cannot be read. Devices and links that lead nowhere are not among them.
        """
        if folder not in self._folders:
            self._folders[folder] = dict(_scan(folder))
        return self._folders[folder]

    def true_path(self, path: str) -> str | None:
        """Return an absolute, normal path as it is spelt on the disk, or None if nothing is there.

        A .blend from Windows or macOS may have letter case and composed accents wrong: there it does not matter.
        """
        if path not in self._true:
            folder, name = os.path.split(path)
            # A drive has a letter, and there is no folder that could tell its case.
            self._true[path] = self._true_entry(self.true_path(folder), name) if name else path.upper()
        return self._true[path]

    def _true_entry(self, folder: str | None, name: str) -> str | None:
        if folder is None:
            return None
        path = os.path.join(folder, name)
        if name in self.entries(folder):
            return path
        if folder not in self._folded:
            self._folded[folder] = {fold(entry): entry for entry in sorted(self.entries(folder), reverse=True)}
        similar = self._folded[folder].get(fold(name))
        if similar is not None:
            return os.path.join(folder, similar)
        # A folder may be closed to reading and open to passing through; a mount may appear when it is first named.
        return path if os.path.exists(path) else None

    def is_file(self, path: str) -> bool:
        return os.path.isfile(path)

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(path)


def _scan(folder: str) -> Iterator[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # a link in a circle
                    if entry.is_file():
                        yield entry.name, False
                    elif entry.is_dir():
                        yield entry.name, True
    except (OSError, ValueError):
        return
