# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the cases of a script that runs inside Blender, read without running it."""

from __future__ import annotations

import ast
from pathlib import Path


def cases_of(script: str) -> list[str]:
    """Return the names of the functions of a script of this folder that begin with "case_"."""
    tree = ast.parse(Path(__file__).with_name(script).read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("case_")]
