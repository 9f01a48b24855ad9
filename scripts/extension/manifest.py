# SPDX-License-Identifier: GPL-3.0-or-later
"""blender_manifest.toml: read it, and write the lists in it that are generated."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "blender_manifest.toml"
ADDON = ROOT / "cloudrender_addon"


def read_manifest() -> dict[str, Any]:
    return tomllib.loads(MANIFEST.read_text(encoding="utf-8"))


def listed_wheels() -> list[str]:
    """Return the file names of the wheels for all platforms."""
    return [wheel.removeprefix("./wheels/") for wheel in read_manifest()["wheels"]]


def with_wheels(manifest: str, platforms: Iterable[str], wheels: Iterable[str]) -> str:
    """Return the manifest's text with these platforms and the file names of these wheels instead of its own."""
    lists = {"platforms": sorted(platforms), "wheels": [f"./wheels/{wheel}" for wheel in sorted(wheels)]}
    for key, values in lists.items():
        text = "".join(f'    "{value}",\n' for value in values)
        manifest, count = re.subn(rf"(?ms)^{key} = \[.*?^\]", f"{key} = [\n{text}]", manifest)
        if count != 1:
            raise ValueError(f"{MANIFEST} has no list named {key}")
    return manifest


def package_version() -> str:
    """Return `cloudrender_addon.__version__` as written in its source."""
    for node in ast.parse((ADDON / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise ValueError(f"{ADDON} has no __version__")
