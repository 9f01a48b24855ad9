# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: render one small frame on the device a job would take: `blender -b -P warm_up.py -- FOLDER gpu|cpu`.

It is run as a plain file in ROOT/agent, whose other files it imports as one package.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

import bpy


def main(folder: str, device: str) -> None:
    """Render the scene that is open. Prints `cloudrender: device …`, or `cloudrender: gpu …` if there should be one.

    Before that `cloudrender: sample …`: when the first one was done, by the machine's monotonic clock.
    """
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here.parent))
    devices = importlib.import_module(f"{here.name}.cycles_devices")
    failure = importlib.import_module(f"{here.name}.failure")
    first_sample = importlib.import_module(f"{here.name}.first_sample")
    scene: Any = bpy.context.scene
    preferences: Any = bpy.context.preferences
    scene.render.engine = "CYCLES"
    try:
        chosen = devices.choose_device(scene, preferences=preferences.addons["cycles"].preferences, gpu=device == "gpu")
    except failure.Failure as refused:
        print(f"cloudrender: gpu {refused.message}", flush=True)  # noqa: T201 - baking.py reads it
        sys.exit(3)
    scene.render.resolution_x = scene.render.resolution_y = 64
    scene.render.resolution_percentage = 100
    scene.cycles.samples = 1
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(Path(folder) / "frame.png")
    first_sample.tell_first_sample(lambda: print(f"\ncloudrender: sample {time.monotonic():.3f}", flush=True))  # noqa: T201
    bpy.ops.render.render(write_still=True)
    names = f" ({', '.join(chosen.names)})" if chosen.names else ""
    print(f"cloudrender: device {chosen.kind}{names}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[sys.argv.index("--") + 1 :])
