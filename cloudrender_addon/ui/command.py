# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender --command cloudrender`: known to Blender here, done in `cli/blender.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy

from . import preferences
from .session import SESSION


def _run(argv: Sequence[str]) -> int:
    from ..cli import blender  # noqa: PLC0415 - of no use before somebody types it

    return blender.run(argv, preset=preferences.preset())


def register() -> None:
    """Add the command."""
    add: Any = bpy.utils.register_cli_command  # the stubs miss its handle
    SESSION.command = add("cloudrender", _run)


def unregister() -> None:
    """Remove the command."""
    bpy.utils.unregister_cli_command(SESSION.command)
