# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stand-in machine has of GPUs: the devices that Linux lists, and the driver that its image brings.

Below the machine's CR_PREFIX: `sys/bus/pci/devices`, and in `var/lib/nvidia` what the shims, `nvidia-smi` and Blender's
list of devices go by: `modules` ("open" or "closed": the kernel modules that are there), and as empty files `cuda`,
`optix` (the libraries), `fabricmanager` (the service is installed), `switches` (it runs). `packages` are apt's.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NVIDIA_SMI = Path(__file__).resolve().parent / "nvidia" / "nvidia-smi"

# https://pci-ids.ucw.cz/read/PC/10de: those of the boards that AWS uses.
_DEVICES = {
    "M60": 0x13F2,
    "V100": 0x1DB5,
    "T4": 0x1EB8,
    "A100": 0x20B0,
    "A10G": 0x2237,
    "H100": 0x2330,
    "H200": 0x2335,
    "L40S": 0x26B9,
    "L4": 0x27B8,
    "B200": 0x2901,
    "RTX PRO Server 6000": 0x2BB5,
}
_UNLISTED = 0x2F00  # newer than all of these
_SWITCH = 0x22A3


def furnish(disk: Path, *, gpu: str | None, switches: bool, driver: str | None) -> None:
    """Put a GPU of that name into a machine whose CR_PREFIX is `disk`, None: take those away that its image saw.

    `switches` are between its GPUs. `driver` is the kind of kernel modules of the driver that its image brings, with
    all else that belongs to one; None leaves what is there.
    """
    devices = disk / "sys/bus/pci/devices"
    shutil.rmtree(devices, ignore_errors=True)
    _device(devices / "0000:00:05.0", vendor=0x1D0F, device=0xEC20, kind=0x020000)  # the network
    if gpu:
        _device(devices / "0000:00:1e.0", vendor=0x10DE, device=_DEVICES.get(gpu, _UNLISTED), kind=0x030200)
    if switches:
        _device(devices / "0000:00:1f.0", vendor=0x10DE, device=_SWITCH, kind=0x068000)
    if gpu and driver:
        nvidia, tools = disk / "var/lib/nvidia", disk / "usr/bin"
        for folder in (nvidia, tools):
            folder.mkdir(parents=True, exist_ok=True)
        (nvidia / "modules").write_text(f"{driver}\n")
        for name in ("cuda", "optix", "fabricmanager", "switches"):
            (nvidia / name).touch()
        (tools / "nvidia-smi").symlink_to(NVIDIA_SMI)


def environment(disk: Path, *, gpu: str) -> dict[str, str]:
    """Return what programs on such a machine see of that, for tests that run one on this computer."""
    path = f"{disk / 'usr/bin'}:{os.environ['PATH']}"
    return {"CR_PREFIX": str(disk), "CLOUDRENDER_STANDIN_GPU": gpu, "PATH": path}


def _device(folder: Path, *, vendor: int, device: int, kind: int) -> None:
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor:#06x}\n")
    (folder / "device").write_text(f"{device:#06x}\n")
    (folder / "class").write_text(f"{kind:#08x}\n")
