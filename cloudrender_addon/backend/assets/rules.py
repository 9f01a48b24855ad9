# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left at home: clutter, secrets, and what the project's own `.cloudrenderignore` names."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from pathspec import GitIgnoreSpec

from ..errors import ProjectError

IGNORE_FILE = ".cloudrenderignore"

_CLUTTER = frozenset(
    (".git", ".hg", ".svn", ".bzr", "cvs", "__pycache__", ".ds_store", "thumbs.db", IGNORE_FILE.casefold())
)
_BACKUP = re.compile(r".*\.blend(\d+|@)", re.IGNORECASE | re.DOTALL)  # `.blend@` is a save that was cut short

_SECRETS = (
    ".ssh",
    ".aws",
    ".gnupg",
    ".netrc",
    ".env",
    ".env.*",
    "*.pem",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
)
_SECRET = re.compile("|".join(map(fnmatch.translate, _SECRETS)))


def is_clutter(name: str) -> bool:
    """Tell whether no render needs a file or folder of that name."""
    return name.casefold() in _CLUTTER or _BACKUP.fullmatch(name) is not None


def is_secret(name: str) -> bool:
    """Tell whether a file or folder of that name holds keys or passwords that must not leave this computer."""
    return _SECRET.match(name.casefold()) is not None


def read_ignore_file(root: Path) -> GitIgnoreSpec:
    """Return the patterns of `root`/.cloudrenderignore (gitignore's syntax); none if there is no such file.

    Raises `ProjectError` when it cannot be understood: guessing would send what was meant to stay.
    """
    path = root / IGNORE_FILE
    try:
        return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8-sig").splitlines())
    except FileNotFoundError:
        return GitIgnoreSpec.from_lines(())
    except (OSError, ValueError, re.error) as error:
        raise ProjectError(
            f"{path} cannot be read: {error}", hint="It holds one pattern a line, as a .gitignore does, in UTF-8."
        ) from error
