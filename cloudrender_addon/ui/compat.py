# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Blender's versions differ: the branches on its version are all here."""

from __future__ import annotations

import bpy

BLEND_RELATIVE: tuple[str, ...] = ("PATH_SUPPORTS_BLEND_RELATIVE",) if bpy.app.version >= (4, 5) else ()
"""Options of a path property that may begin with "//"; before 4.5 every one might."""

EEVEE = "BLENDER_EEVEE" if bpy.app.version >= (5, 0) else "BLENDER_EEVEE_NEXT"
"""EEVEE's name among the render engines."""
