# SPDX-License-Identifier: GPL-3.0-or-later
"""What an add-on can leave behind in Blender, as lists that can be compared (runs in Blender)."""

from __future__ import annotations

import atexit
import gc
import threading
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import bpy


class Commands:
    """Blender's command-line commands: they cannot be listed, so this notes who adds and removes one."""

    def __init__(self) -> None:
        self.names: dict[object, str] = {}
        self._add, self._remove = bpy.utils.register_cli_command, bpy.utils.unregister_cli_command
        bpy.utils.register_cli_command, bpy.utils.unregister_cli_command = self.add, self.remove

    def add(self, name: str, function: Callable[[list[str]], int]) -> object:
        handle = self._add(name, function)
        self.names[handle] = name
        return handle

    def remove(self, handle: object) -> None:
        self._remove(handle)
        self.names.pop(handle, None)  # not there: Blender's own, from before


def snapshot(commands: Commands) -> dict[str, list[str]]:
    """List everything that is registered with Blender now."""
    # The types first: a class counts as registered once its bl_rna was looked at.
    types = [found for name in dir(bpy.types) if hasattr(found := getattr(bpy.types, name), "bl_rna")]
    classes = [cls for cls in _subclasses(bpy.types.bpy_struct) if getattr(cls, "is_registered", False)]
    handlers = {name: getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)}
    return {
        "classes": sorted(_name(cls) for cls in classes),
        "properties": sorted(
            f"{cls.__name__}.{prop.identifier}" for cls in types for prop in cls.bl_rna.properties if prop.is_runtime
        ),
        "draw functions": sorted(
            f"{cls.__name__}: {_name(draw)}"
            for cls in classes
            for draw in getattr(getattr(cls, "draw", None), "_draw_funcs", ())
            if not draw.__qualname__.startswith(f"{cls.__name__}.")  # its own: listed from the first addition on
        ),
        "handlers": sorted(
            f"{name}: {_name(function)}"
            for name, found in handlers.items()
            if isinstance(found, list)
            for function in found
        ),
        "timers": sorted(
            _name(function) for function in _extension_functions() if bpy.app.timers.is_registered(function)
        ),
        "commands": sorted(commands.names.values()),
        "keys": sorted(item.idname for item in _keys()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "exits": [str(atexit._ncallbacks())],  # type: ignore[attr-defined]
    }


def _subclasses(cls: Any) -> Iterator[Any]:
    for child in type.__subclasses__(cls):
        yield child
        yield from _subclasses(child)


def _extension_functions() -> list[FunctionType]:
    # Timers cannot be listed either, but asked for: so ask for every function that an extension has.
    functions = [thing for thing in gc.get_objects() if isinstance(thing, FunctionType)]
    return [function for function in functions if str(function.__module__).startswith("bl_ext.")]


def _keys() -> list[Any]:
    config = bpy.context.window_manager.keyconfigs.addon
    return [item for keymap in config.keymaps for item in keymap.keymap_items] if config else []


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{getattr(thing, '__qualname__', repr(thing))}"
