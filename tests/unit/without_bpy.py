# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of `ui/` that need no Blender, though the package they are in does."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any
from unittest import mock

import cloudrender_addon

_UI = "cloudrender_addon.ui"


def ui_module(name: str) -> Any:
    """Import one, without running `ui/__init__.py`. Raises `ImportError` if it needs bpy after all."""
    package = ModuleType(_UI)
    package.__path__ = [f"{cloudrender_addon.__path__[0]}/ui"]
    with mock.patch.dict(sys.modules, {_UI: package, "bpy": None}):
        return importlib.import_module(f"{_UI}.{name}")
