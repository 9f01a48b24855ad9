# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: let Cycles use what the rented machine was rented for, or say loudly that it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import nvidia_driver
from .failure import Failure

_BACKENDS = ("OPTIX", "CUDA", "HIP", "ONEAPI")  # the fastest for the same card comes first


@dataclass(frozen=True)
class Device:
    """What renders: "CPU", "GPU" (engines without a choice) or a Cycles backend, with the names of its devices."""

    kind: str
    names: Sequence[str] = ()
    notes: Sequence[str] = ()


def choose_device(scene: Any, *, preferences: Any, gpu: bool) -> Device:
    """Set the device that `scene` renders on; `preferences` are those of the Cycles add-on.

    Raises `Failure` (kind "gpu") if there should be a GPU and is none."""
    if scene.render.engine != "CYCLES":
        if gpu and (said := nvidia_driver.complaint()):
            raise _missing(said)
        notes = [] if gpu else ["This machine has no GPU: the scene's engine is slow on it or fails."]
        return Device("GPU" if gpu else "CPU", notes=notes)
    asked_for_gpu = scene.cycles.device == "GPU"
    scene.cycles.device = "GPU" if gpu else "CPU"
    if not gpu:
        notes = ["The scene asks for a GPU; this machine has none and renders on its CPU."] if asked_for_gpu else []
        return Device("CPU", notes=notes)
    backend, names = _enable_gpus(preferences)
    notes = [] if asked_for_gpu else ["The scene asks for the CPU; it is rendered on the GPU of this machine."]
    if scene.cycles.shading_system and backend != "OPTIX":
        notes.append(f"Open Shading Language needs OptiX: with {backend}, its shaders may look different.")
    return Device(backend, names, notes)


def _enable_gpus(preferences: Any) -> tuple[str, list[str]]:
    """Turn on every device of the best backend, and only these; return the backend and their names."""
    for backend in _BACKENDS:
        try:
            preferences.compute_device_type = backend
        except TypeError:
            continue  # this Blender is built without it
        if not any(device.type == backend for device in preferences.get_devices_for_type(backend)):
            continue
        for device in preferences.devices:
            device.use = device.type == backend
        return backend, [device.name for device in preferences.devices if device.use]
    raise _missing(nvidia_driver.complaint())


def _missing(said: str) -> Failure:
    """Return the failure for a GPU that was paid for and is not there; `said` is what its driver says of that."""
    return Failure(
        kind="gpu",
        message="The machine was rented for its GPU, but Blender sees none "
        + (f"(the NVIDIA driver: {said})" if said else f"({', '.join(_BACKENDS)} were tried)"),
        hint="Use the automatic image or one with the NVIDIA driver, or choose a machine type without a GPU.",
    )
