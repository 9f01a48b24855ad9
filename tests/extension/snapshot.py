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


class Noted:
    """What cannot be listed, so this notes who adds and removes it: the command line's commands, calls at exit."""

    def __init__(self) -> None:
        self.commands: dict[object, str] = {}
        self.exits: list[Callable[..., object]] = []
        self._add, self._remove = bpy.utils.register_cli_command, bpy.utils.unregister_cli_command
        bpy.utils.register_cli_command, bpy.utils.unregister_cli_command = self.add, self.remove
        self._at_exit, self._not_at_exit = atexit.register, atexit.unregister
        atexit.register, atexit.unregister = self.at_exit, self.not_at_exit  # type: ignore[assignment]

    def add(self, name: str, function: Callable[[list[str]], int]) -> object:
        handle = self._add(name, function)
        self.commands[handle] = name
        return handle

    def remove(self, handle: object) -> None:
        self._remove(handle)
        self.commands.pop(handle, None)  # not there: Blender's own, from before

    def at_exit(self, function: Callable[..., object], /, *args: object, **kwargs: object) -> Callable[..., object]:
        self.exits.append(function)
        return self._at_exit(function, *args, **kwargs)

    def not_at_exit(self, function: Callable[..., object]) -> None:
        self._not_at_exit(function)
        self.exits = [each for each in self.exits if each != function]


def snapshot(noted: Noted) -> dict[str, list[str]]:
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
        "commands": sorted(noted.commands.values()),
        "keys": sorted(item.idname for item in _keys()),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "exits": sorted(_name(function) for function in noted.exits if _is_ours(function)),
    }


def _subclasses(cls: Any) -> Iterator[Any]:
    for child in type.__subclasses__(cls):
        yield child
        yield from _subclasses(child)


def _extension_functions() -> list[FunctionType]:
    # Timers cannot be listed either, but asked for: so ask for every function that an extension has.
    return [thing for thing in gc.get_objects() if isinstance(thing, FunctionType) and _is_ours(thing)]


def _is_ours(function: Any) -> bool:
    return str(function.__module__).startswith("bl_ext.")


def _keys() -> list[Any]:
    config = bpy.context.window_manager.keyconfigs.addon
    return [item for keymap in config.keymaps for item in keymap.keymap_items] if config else []


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{getattr(thing, '__qualname__', repr(thing))}"
