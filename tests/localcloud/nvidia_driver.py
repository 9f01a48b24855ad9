# SPDX-License-Identifier: GPL-3.0-or-later
"""An NVIDIA driver's side of Blender: machines of a GPU type show their GPU to Cycles, which renders on the CPU.

Only the list of devices is made up. Cycles itself finds no such device when it renders, and takes the CPU.
"""

from __future__ import annotations

from typing import Any

_TYPES = ("CUDA", "OPTIX")


def install(gpu: str) -> None:
    """Let Cycles list a GPU of this name ("T4") for CUDA and OptiX."""
    import _cycles

    original = _cycles.available_devices

    def available_devices(kind: str = "") -> tuple[tuple[Any, ...], ...]:
        devices = tuple(original(kind))
        if kind not in ("", *_TYPES):
            return devices
        cpu = next(device for device in devices if device[1] == "CPU")
        shown = [kind] if kind else _TYPES
        # What follows name, type and id differs from version to version: as the CPU has it.
        gpus = ((f"NVIDIA {gpu} (stand-in)", each, f"{each}_{gpu}_0000:00:1e", *cpu[3:]) for each in shown)
        return (*gpus, *devices)

    _cycles.available_devices = available_devices
    types = list(_cycles.get_device_types())  # CUDA and OptiX come first in all versions
    types[0] = types[1] = True
    _cycles.get_device_types = lambda: tuple(types)
