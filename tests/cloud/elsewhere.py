# SPDX-License-Identifier: GPL-3.0-or-later
"""Run as a program: the `cloudrender` command, whose own code finds none of the modules that only POSIX has.

Libraries keep them: on Windows they have other means. Usage: python elsewhere.py ARGUMENT…
"""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "spwd", "syslog", "termios", "tty")
"""Of the standard library, on POSIX only: https://docs.python.org/3/py-modindex.html ("Unix")."""


class Missing(importlib.abc.MetaPathFinder):
    """Finds no such module for the code of this package."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in MODULES and _importer().startswith("cloudrender_addon"):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def _importer() -> str:
    frame = sys._getframe(2)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("importlib."):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__"))


def main() -> None:
    import cloudrender_addon.cli.main as command

    for name in MODULES:
        sys.modules.pop(name, None)  # else nobody would look for it
    sys.meta_path.insert(0, Missing())
    command.run()


if __name__ == "__main__":
    main()
