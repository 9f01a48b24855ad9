# SPDX-License-Identifier: GPL-3.0-or-later
"""What the open file uses of the enabled add-ons: render engines, nodes, driver functions, properties, handlers.

One that only has panels and operators is not used, nor are properties that nothing reads while a frame is rendered.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import bpy

from .package import PACKAGE

_ALWAYS_ON = frozenset(("cycles", "bl_pkg", "pose_library"))
_HANDLERS = (
    *("frame_change_pre", "frame_change_post", "depsgraph_update_pre", "depsgraph_update_post"),
    *("render_init", "render_pre", "render_post"),
)
_NOT_RENDERED = frozenset(
    ("libraries", "screens", "window_managers", "workspaces", "brushes", "palettes", "paint_curves", "texts")
)
_SECONDS = 0.01  # for looking at properties; what is not seen until then counts as used
_WORD = re.compile(r"[^\W\d]\w*")
_QUOTED = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True)
class _Property:
    """A property that an add-on registered, and what may have a value of it."""

    owner: str
    identifier: str
    holders: Callable[[], Iterable[Any]]


class Enabled:
    """The add-ons that are enabled, by their Python modules."""

    def __init__(self) -> None:
        preferences: Any = bpy.context.preferences
        modules = {addon.module for addon in preferences.addons}
        self._modules = modules.intersection(sys.modules) - _ALWAYS_ON - {PACKAGE}

    def uses(self, scene: Any) -> Iterator[tuple[str, str]]:
        """Yield the module of an add-on and what for it is used, for each use."""
        if not self._modules:
            return
        if engine := self.owner_of_engine(scene.render.engine):
            yield engine, f"the render engine {scene.render.engine}"
        yield from self._nodes()
        properties = list(self._properties())
        yield from self._driven(properties)
        deadline = time.perf_counter() + _SECONDS
        for owner, name in self._handlers():
            # With no value of its properties in the file, it has nothing to work on.
            own = [prop for prop in properties if prop.owner == owner]
            if not own or any(_is_held(prop, deadline) for prop in own):
                yield owner, f"what it does at each frame ({name})"

    def owner_of_engine(self, engine: str) -> str:
        """Return the module of the add-on that has a render engine, "" if it is none's."""
        for cls in _subclasses(bpy.types.RenderEngine):
            if getattr(cls, "bl_idname", "") == engine and (owner := self._owner(cls.__module__)):
                return owner
        return ""

    def nodes_of(self, module: str) -> tuple[str, ...]:
        """Return the types of nodes (`bl_idname`) that an add-on has."""
        own = (cls for cls in _subclasses(bpy.types.Node) if self._owner(cls.__module__) == module)
        return tuple(sorted({cls.bl_rna.identifier for cls in own if cls.is_registered}))

    def _owner(self, python_module: str) -> str:
        """Return the add-on that a Python module is part of, "" if it is none's."""
        parts = python_module.split(".", 3)
        module = ".".join(parts[:3]) if parts[0] == "bl_ext" else parts[0]
        return module if module in self._modules else ""

    def _nodes(self) -> Iterator[tuple[str, str]]:
        kinds = (bpy.types.Node, bpy.types.NodeTree)
        if not any(self._owner(cls.__module__) for kind in kinds for cls in _subclasses(kind)):
            return
        for tree, user in _node_trees():
            if owner := self._owner(type(tree).__module__):
                yield owner, f"the nodes of {user}"
            for cls in {type(node) for node in tree.nodes}:
                if owner := self._owner(cls.__module__):
                    yield owner, f"the node {cls.bl_rna.name} in {user}"

    def _handlers(self) -> Iterator[tuple[str, str]]:
        for name in _HANDLERS:
            for function in getattr(bpy.app.handlers, name):
                if owner := self._owner(_module_of(function)):
                    yield owner, name

    def _driven(self, properties: list[_Property]) -> Iterator[tuple[str, str]]:
        space = bpy.app.driver_namespace
        functions = {name: owner for name, value in space.items() if (owner := self._owner(_module_of(value)))}
        paths = {prop.identifier: prop.owner for prop in properties}
        if not functions and not paths:
            return
        for datablock, driver in _drivers():
            called = functions.keys() & set(_WORD.findall(driver.expression)) if driver.type == "SCRIPTED" else ()
            for name in called:
                yield functions[name], f"{name}() in a driver of {_described(datablock)}"
            for target in (target for variable in driver.variables for target in variable.targets):
                for name in paths.keys() & set(_WORD.findall(_QUOTED.sub("", target.data_path))):
                    yield paths[name], f"the property {name} in a driver of {_described(datablock)}"

    # -- whose a property is

    def _properties(self) -> Iterator[_Property]:
        groups: dict[int, str] = {
            cls.bl_rna.as_pointer(): cls.__module__ for cls in _subclasses(bpy.types.PropertyGroup) if cls.is_registered
        }
        plain = []
        for kind, holders in _holders():
            for prop in (prop for prop in kind.bl_rna.properties if prop.is_runtime):
                made_of = prop.fixed_type.as_pointer() if prop.type in ("POINTER", "COLLECTION") else None
                if made_of not in groups:
                    plain.append((prop.identifier, holders))
                elif owner := self._owner(groups[made_of]):
                    yield _Property(owner, prop.identifier, holders)
        owners = self._who_mention({name for name, _ in plain})
        for name, holders in plain:
            if name in owners:
                yield _Property(owners[name], name, holders)

    def _who_mention(self, names: set[str]) -> dict[str, str]:
        """Return the add-ons that register plain properties, by the names in their code: Blender does not tell."""
        owners: dict[str, str] = {}
        for python_module, loaded in list(sys.modules.items()) if names else ():
            if owner := self._owner(python_module):
                for function in list(vars(loaded).values()):
                    if isinstance(function, FunctionType):
                        code = function.__code__
                        texts = {text for text in code.co_consts if isinstance(text, str)}
                        owners |= dict.fromkeys(names & {*code.co_names, *texts}, owner)
        return owners


def _module_of(value: Any) -> str:
    """Return the module of a function, also of one that is wrapped, or of an object that can be called."""
    function = getattr(value, "func", value)  # of functools.partial
    return str(getattr(function, "__module__", None) or type(function).__module__)


def _subclasses(cls: Any) -> Iterator[Any]:
    for child in type.__subclasses__(cls):
        yield child
        yield from _subclasses(child)


def _is_held(prop: _Property, deadline: float) -> bool:
    """Tell whether something has a value of it: an empty group is made by each look at it."""
    for holder in prop.holders():
        if holder.is_property_set(prop.identifier) and _has_content(getattr(holder, prop.identifier)):
            return True
        if time.perf_counter() > deadline:
            return True
    return False


def _has_content(value: Any) -> bool:
    if not isinstance(value, bpy.types.PropertyGroup):
        return not hasattr(value, "__len__") or len(value) > 0
    return any(
        value.is_property_set(prop.identifier) and _has_content(getattr(value, prop.identifier))
        for prop in value.bl_rna.properties
        if prop.identifier != "rna_type"
    )


# -- what there is in the file -------------------------------------------------------------------------


def _collections() -> Iterator[tuple[Any, Any]]:
    """Yield the kinds of datablocks, and all of each."""
    data: Any = bpy.data
    for prop in data.bl_rna.properties:
        if prop.type == "COLLECTION" and prop.identifier not in _NOT_RENDERED:
            yield getattr(bpy.types, prop.fixed_type.identifier), getattr(data, prop.identifier)


def _holders() -> Iterator[tuple[Any, Callable[[], Iterable[Any]]]]:
    """Yield the kinds of what can have properties, and what gives all of each."""
    data: Any = bpy.data
    for kind, datablocks in _collections():
        yield kind, datablocks.values
    yield bpy.types.ViewLayer, lambda: (layer for scene in data.scenes for layer in scene.view_layers)
    yield bpy.types.Bone, lambda: (bone for armature in data.armatures for bone in armature.bones)
    yield bpy.types.PoseBone, lambda: (bone for one in data.objects if one.pose for bone in one.pose.bones)


def _node_trees() -> Iterator[tuple[Any, Any]]:
    """Yield the node trees that something uses, and whose they are."""
    for kind, datablocks in _collections():
        embedded = "node_tree" in kind.bl_rna.properties
        if embedded or kind is bpy.types.NodeTree:
            for datablock in datablocks:
                tree = datablock.node_tree if embedded else datablock
                if tree is not None and datablock.users > datablock.use_fake_user:
                    yield tree, _described(datablock)


def _drivers() -> Iterator[tuple[Any, Any]]:
    """Yield drivers, and whose they are."""
    for kind, datablocks in _collections():
        if "animation_data" in kind.bl_rna.properties:
            embedded = "node_tree" in kind.bl_rna.properties
            for datablock in datablocks:
                for one in (datablock, datablock.node_tree) if embedded else (datablock,):
                    animation = one and one.animation_data
                    for curve in animation.drivers if animation else ():
                        yield datablock, curve.driver


def _described(datablock: Any) -> str:
    """Name a datablock: "material Wood"."""
    return f"{datablock.bl_rna.name.lower()} {datablock.name}"
