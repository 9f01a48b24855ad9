# SPDX-License-Identifier: GPL-3.0-or-later
"""Small projects for tests of sending."""

from __future__ import annotations

from pathlib import Path

from cloudrender_addon.backend.assets.bundle import Bundle, BundleFile

HARD_NAMES = (
    "with space.png",
    "ümlaut.png",
    "日本語/テクスチャ.png",
    "line\nend",
    "-leading dash",
    "quo'te \"$(x)`.png",
    "back\\slash",
    "/".join(["long" * 12] * 6) + "/" + "ü" * 60,
    "n" * 101,
    "e\u0301 decomposed",
)


def make(root: Path, files: dict[str, bytes]) -> Bundle:
    """Write the files, name → content, and return them as a bundle."""
    made = []
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        made.append(BundleFile(source=path, name=name, size=len(content)))
    return Bundle(root=root, files=tuple(made))
