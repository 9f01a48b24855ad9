# SPDX-License-Identifier: GPL-3.0-or-later
"""What is worth a question or a note before a project is sent, as texts for the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import platformdirs

from .bundle import BundleFile

_LARGE_BYTES = 1_000_000_000
_MANY_FILES = 20_000
_NAMED = 5


def preliminary_concerns(root: Path) -> tuple[str, ...]:
    """Return what is suspicious about a project folder before looking into it: walking it may take very long."""
    root = root.resolve()
    home = Path.home().resolve()
    if root == root.parent:
        return (f"{root} is a whole disk, not a project folder.",)
    if root == home:
        return (f"{root} is your home folder, not a project folder.",)
    if root in home.parents:
        return (f"{root} is a system folder with the homes of all users, not a project folder.",)
    if root in _common_folders(home):
        return (f"{root} is where you keep all kinds of files, not a project folder.",)
    return ()


def content_concerns(files: Sequence[BundleFile]) -> tuple[str, ...]:
    """Return what is suspicious about the amount of what would be sent."""
    total = sum(file.size for file in files)
    found = []
    if total > _LARGE_BYTES:
        shares: Counter[str] = Counter()
        for file in files:
            top, slash, _ = file.name.partition("/")
            shares[top + slash] += file.size
        largest = ", ".join(f"{shown(name)} ({in_words(size)})" for name, size in shares.most_common(_NAMED))
        found.append(f"The project has {in_words(total)}. The largest parts are {largest}.")
    if len(files) > _MANY_FILES:
        found.append(f"The project has {len(files):,} files.")
    return tuple(found)


def listed(what: str, names: Iterable[str], *, at_most: int = _NAMED) -> tuple[str, ...]:
    """Return one text that says `what` of these names, or none if there are no names."""
    ordered = sorted(names)
    if not ordered:
        return ()
    more = f" and {len(ordered) - at_most:,} more" if len(ordered) > at_most else ""
    return (f"{what}: {', '.join(map(shown, ordered[:at_most]))}{more}.",)


def shown(name: str) -> str:
    """Return a file name as it can be printed: anything may be in one, line ends and terminal commands included."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in name)


def in_words(size: float) -> str:
    """Return bytes as a text ("1.4 GB")."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _common_folders(home: Path) -> set[Path]:
    """Return where this system keeps what is not a project; users move these folders, and systems translate them."""
    usual = {home / name for name in ("Desktop", "Documents", "Downloads")}
    own = {
        platformdirs.user_desktop_path(),
        platformdirs.user_documents_path(),
        platformdirs.user_downloads_path(),
    }
    return {folder.resolve() for folder in usual | own}
