# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on the rented machine, standard library only, and how the backend gets hold of it as files."""

from __future__ import annotations

import re
from pathlib import Path

_HERE = Path(__file__).parent
_SPDX = b"# SPDX-License-Identifier: GPL-3.0-or-later\n"
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def user_data_script(*, owner: str, lease_seconds: int, lifetime_seconds: int) -> str:
    """Return the shell script that a new machine runs at first boot, as root.

    `owner` is the SSH user, who gets the machine's folder. Without a renewed lease the machine lives
    `lease_seconds`, and `lifetime_seconds` whatever happens. Raises `ValueError` for anything unusable.
    """
    if not _USER_NAME.fullmatch(owner):
        raise ValueError(f"not a user name: {owner!r}")
    if lease_seconds <= 0 or lifetime_seconds <= 0:
        raise ValueError("lease and lifetime must be at least one second")
    shebang, rest = (_HERE / "user_data.sh").read_text(encoding="utf-8").split("\n", 1)
    settings = f"CR_OWNER={owner}\nCR_LEASE={int(lease_seconds)}\nCR_LIFETIME={int(lifetime_seconds)}"
    return f"{shebang}\n{settings}\n{rest}"


def bootstrap_program() -> bytes:
    """Return what puts the agent on the machine: it goes there as text, before there is any file."""
    return (_HERE / "bootstrap.py").read_bytes()


KINDS = ("g", "p", "p3", "cpu")
"""The kinds of machines that there are recipes of images for: bake_g.sh and so on."""


def recipe_files() -> dict[str, bytes]:
    """Return the recipes of machine images, name → content, to be put beside the agent's files.

    `bake_KIND.sh` makes one, `bake_test.sh KIND` tries it; run as the SSH user, with the settings that bake.sh names.
    """
    return {path.name: path.read_bytes() for path in sorted(_HERE.glob("bake*.sh"))}


def agent_files() -> dict[str, bytes]:
    """Return the agent, name → content: plain files that belong together in the folder `agent` on the machine."""
    files = {path.name: path.read_bytes() for path in (*sorted(_HERE.glob("*.py")), _HERE / "driver.sh")}
    return {**files, "__init__.py": _SPDX}  # this module is of no use there, the package mark is
