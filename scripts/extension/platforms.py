# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms the extension is built for, and which wheels run on them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

PYTHONS = ((3, 11), (3, 13))
"""Blender 4.2 to 5.0 have Python 3.11, those from 5.1 on 3.13."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """One platform under Blender's name for it, with uv's name and the platform tags of the wheels that run there."""

    name: str
    uv: str
    tags: tuple[str, ...]
    oldest_macos: str = ""

    def runs(self, tags: frozenset[Tag], *, python: tuple[int, int]) -> bool:
        """Tell whether a wheel of these tags runs here in that Python."""
        interpreter = f"cp{python[0]}{python[1]}"
        supported = itertools.chain(
            cpython_tags(python, abis=[interpreter], platforms=self.tags),
            compatible_tags(python, interpreter, self.tags),
        )
        return not tags.isdisjoint(supported)


_GLIBC = tuple(f"manylinux_2_{minor}_x86_64" for minor in range(28, 16, -1))

PLATFORMS = (
    # Blender 4.2 to 5.0 are built for glibc 2.28 (Rocky Linux 8) and macOS 11; Intel Macs end with Blender 4.5.
    Platform(name="linux-x64", uv="x86_64-manylinux_2_28", tags=(*_GLIBC, "manylinux2014_x86_64")),
    Platform(name="windows-x64", uv="x86_64-pc-windows-msvc", tags=("win_amd64",)),
    Platform(
        name="macos-arm64",
        uv="aarch64-apple-darwin",
        tags=tuple(mac_platforms((11, 0), "arm64")),
        oldest_macos="11.0",
    ),
    Platform(name="windows-arm64", uv="aarch64-pc-windows-msvc", tags=("win_arm64",)),
    Platform(
        name="macos-x64",
        uv="x86_64-apple-darwin",
        tags=tuple(mac_platforms((10, 15), "x86_64")),
        oldest_macos="10.15",
    ),
)
