# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: enable the extension, with the packages it needs."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import addon_utils

MODULE = "bl_ext.user_default.cloudrender"


def enable() -> None:
    """Enable it; the packages its wheels bring come from the tests' own environment, after Blender's."""
    sys.path.append(os.environ["PANEL_TEST_PACKAGES"])
    addon_utils.enable(MODULE, default_set=True)


def part(name: str) -> Any:
    """Import a module of it."""
    return importlib.import_module(f"{MODULE}.{name}")
