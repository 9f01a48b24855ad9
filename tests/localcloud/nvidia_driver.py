# SPDX-License-Identifier: GPL-3.0-or-later
"""An NVIDIA driver's side of Blender: machines whose driver works show their GPU to Cycles, which renders on the CPU.

Only the list of devices is made up. Cycles itself finds no such device when it renders, and takes the CPU.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

_TYPES = ("CUDA", "OPTIX")


def _working() -> tuple[str, ...]:
    """Return for what the driver offers its GPU: all that gpu_machine.py and the packages have left must fit."""
    program = shutil.which("nvidia-smi")
    if program is None or subprocess.run([program], stdout=subprocess.DEVNULL, check=False).returncode != 0:
        return ()
    system = Path(os.environ["CR_PREFIX"])
    nvidia = system / "var/lib/nvidia"
    switched = any(path.read_text().startswith("0x0680") for path in system.glob("sys/bus/pci/devices/*/class"))
    if switched and not (nvidia / "switches").exists():
        return ()  # CUDA says: system not yet initialized
    return tuple(kind for kind in _TYPES if (nvidia / kind.lower()).exists())


def install(gpu: str) -> None:
    """Let Cycles list a GPU of this name ("T4") for CUDA and OptiX, as far as its driver works."""
    import _cycles

    working = _working()
    if not working:
        return
    original = _cycles.available_devices

    def available_devices(kind: str = "") -> tuple[tuple[Any, ...], ...]:
        devices = tuple(original(kind))
        if kind not in ("", *_TYPES):
            return devices
        if kind and kind not in working:
            return devices
        cpu = next(device for device in devices if device[1] == "CPU")
        shown = [kind] if kind else working
        # What follows name, type and id differs from version to version: as the CPU has it.
        gpus = ((f"NVIDIA {gpu} (stand-in)", each, f"{each}_{gpu}_0000:00:1e", *cpu[3:]) for each in shown)
        return (*gpus, *devices)

    _cycles.available_devices = available_devices
    types = list(_cycles.get_device_types())  # CUDA and OptiX come first in all versions
    types[0] = types[1] = True
    _cycles.get_device_types = lambda: tuple(types)
