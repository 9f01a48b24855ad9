# SPDX-License-Identifier: GPL-3.0-or-later
"""The name Blender knows this extension by: "bl_ext.user_default.cloudrender" when it was installed as one."""

from __future__ import annotations

PACKAGE = (__package__ or "").rpartition(".")[0]
