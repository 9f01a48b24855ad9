# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Blenders without a window, each with the extension installed from its zip into clean user folders."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scripts.extension.build import build_zip
from scripts.extension.platforms import PLATFORMS
from tests.extension.blender_host import VERSIONS, Blender, blender

INSIDE = Path(__file__).with_name("inside")
"""What runs in Blender."""

_NO_CLOUD = "http://127.0.0.1:9"  # nothing of this is to ask AWS; if it did, it would fail


def build(folder: Path) -> Path:
    """Return the extension's zip for this platform, as `make build` makes it."""
    return build_zip(next(platform for platform in PLATFORMS if platform.name == "linux-x64"), folder)


@contextlib.contextmanager
def hosts() -> Iterator[list[Blender]]:
    """Give a Blender of each supported series; their user folders go when the context ends."""
    with tempfile.TemporaryDirectory(prefix="cloudrender-bench-") as name:
        folder = Path(name)
        archive = build(folder)
        found = []
        for version in VERSIONS:
            home = folder / version
            home.mkdir()
            found.append(blender(version, home, endpoint=_NO_CLOUD))
            found[-1].run(str(INSIDE / "install.py"), archive)
        yield found
