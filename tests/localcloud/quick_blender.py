# SPDX-License-Identifier: GPL-3.0-or-later
"""A program in Blender's place for the recipes of machine images: its first frame is there at once, or when told."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.localcloud.cloud import Cloud


def quick_blender(hold: Path, *, version: str = "4.2.23", device: str = "CPU") -> str:
    """Return a script that renders like Blender, as far as a recipe can tell; it waits while `hold` exists."""
    return f"""#!/bin/sh
if [ "$1" = --version ]; then echo "Blender {version}"; exit; fi
while [ "$1" != -- ]; do shift; done
: >"$HOME/rendering"
while [ -e {shlex.quote(str(hold))} ]; do sleep 0.1; done
head -c 9 /dev/zero >"$2/frame.png"
echo "cloudrender: device {device}"
"""


def rendering(cloud: Cloud) -> bool:
    """Tell whether one has begun its first frame on a machine."""
    return any((machine.folder / "home" / "rendering").exists() for machine in cloud.machines)
