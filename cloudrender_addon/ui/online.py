# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs the network, and what is said where Blender is offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..backend.errors import ConfigError

if TYPE_CHECKING:
    from bpy.types import Context

OFFLINE = ConfigError(
    "Blender is offline",
    hint="Turn on Allow Online Access in the System tab of the preferences, or start with --online-mode",
)


class Online:
    """Part of an operator that needs the network. Blender does not let go of an operator that another is made of."""

    poll_message_set: Any

    @classmethod
    def poll(cls, _context: Context) -> bool:
        """Tell whether Blender may go online."""
        if not bpy.app.online_access:
            cls.poll_message_set(OFFLINE.hint)
            return False
        return True
