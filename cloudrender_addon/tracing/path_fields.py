# SPDX-License-Identifier: GPL-3.0-or-later
"""Where paths are stored in a .blend, by the names that structs and their members have in files.

These are older than those in Blender's sources, which were renamed: makesdna/intern/dna_rename_defs.h.
"""

from __future__ import annotations

LIBRARY = ("Library", "name")

TEXTS = (
    LIBRARY,
    ("Image", "name"),
    ("ImageView", "filepath"),
    ("MovieClip", "name"),
    ("bSound", "name"),
    ("VFont", "name"),
    ("Volume", "filepath"),
    ("CacheFile", "filepath"),
    ("CacheFileLayer", "filepath"),
    ("Camera", "custom_filepath"),
    ("Strip", "dir"),
    ("MeshCacheModifierData", "filepath"),
    ("OceanModifierData", "cachepath"),
    ("FluidDomainSettings", "cache_directory"),
    ("PointCache", "path"),
    ("CustomDataExternal", "filename"),
    ("NodeShaderScript", "filepath"),
    ("NodeShaderTexIES", "filepath"),
    ("bNodeSocketValueString", "value"),
)
"""Members that are the text itself, of a fixed size."""

POINTERS = (
    ("NodesModifierData", "simulation_bake_directory"),
    ("NodesModifierBake", "directory"),
    ("NodeInputString", "string"),
)
"""Members that point at a block with the text."""

PROPERTY = "IDProperty"
"""Custom properties, and what a modifier of geometry nodes is given."""
PROPERTY_IS_TEXT = 0

BAKE, BAKE_CONTENT = "NodesModifierBake", "packed"
"""A bake of geometry nodes, and what points at its content if that is in the .blend."""
