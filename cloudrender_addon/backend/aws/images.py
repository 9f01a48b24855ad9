# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine image is started: a named one, the user's own with the right Blender, or the newest public one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import CloudError, ConfigError, ImageError
from .machine_images import IMAGE, list_images, newest

if TYPE_CHECKING:
    from .session import Account

AUTO, PUBLIC = "auto", "public"
"""Settings in place of an id: the user's own for such machines if there is one, else AWS's; AWS's in any case."""

ImageOrigin = Literal["public", "own", "given"]

_BEFORE_TURING = ("M60", "P100", "V100")
"""They need NVIDIA's closed kernel modules, of a driver not newer than 580; AWS's image has the open ones."""

_COMPUTE_GPUS = ("A100", "H100", "H200", "B200", "B300")
"""Several of them are joined by switches, which a service beside the driver (Fabric Manager) sets up."""

_TOO_OLD = ("K80", "K520")
"""The last driver for them, 470, is not maintained any more, and too old for OptiX in Blender."""

NVIDIA_PARAMETER = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
"""AWS's Ubuntu with NVIDIA drivers: https://docs.aws.amazon.com/dlami/latest/devguide/find-dlami-id.html"""

_WITH_DRIVER = ("g", "p")
"""The kinds that AWS's image fits. On plain Ubuntu the agent installs the driver that a machine needs (driver.sh)."""

PLAIN_PARAMETER = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
"""Canonical's Ubuntu: https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/"""

TYPICAL_GPU_SIZE_GB, TYPICAL_SIZE_GB = 75, 8
"""GiB of the disks of these two as of 2025, for whoever reckons without asking; they change from release to release."""

DRIVER_GB = 4
"""GiB for NVIDIA's driver where the machine installs it: packages, what they unpack to, a compiler if need be."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A machine image: its root device ("/dev/sda1") and the smallest disk it fits on, in GiB.

    `origin` is "public" (of AWS or Canonical), "own" (made by cloudrender in this account), or "given"; `brings_driver`
    that whatever driver the machine needs is on it for certain.
    """

    id: str
    root_device: str
    size_gb: int
    origin: ImageOrigin
    brings_driver: bool = True

    @property
    def disk_gb(self) -> int:
        """The disk that the system needs, in GiB."""
        return self.size_gb + (0 if self.brings_driver else DRIVER_GB)


def image_kind(gpu: str | None) -> str:
    """Return the kind of images that fit a machine with that GPU.

    "g" (graphics), "p" (compute), "p3" (older than NVIDIA's Turing), "cpu" (none). Raises `ConfigError` for a GPU that
    is not NVIDIA's, too old, or only a part of one.
    """
    if gpu is None:
        return "cpu"
    names = gpu.split()
    if names[0] != "NVIDIA" or not {*_TOO_OLD, "part"}.isdisjoint(names):
        raise ConfigError(
            f"There is no ready-made image with drivers for {gpu}",
            hint="Use a Type (-c) with a whole NVIDIA GPU (g4dn, g5), or set Image (--image) to one with its driver",
        )
    if not set(_BEFORE_TURING).isdisjoint(names):
        return "p3"
    return "g" if set(_COMPUTE_GPUS).isdisjoint(names) else "p"


def resolve_image(account: Account, *, image: str, gpu: str | None, blender: str = "") -> Image:
    """Find the image to start on a machine with that `gpu` (None: without one); `image` is "auto", "public" or an id.

    "auto" prefers an image of the user's own with that `blender` on it, see `machine_images.newest`.
    Raises `ImageError` when it does not exist or does not fit, `ConfigError`, `CloudError`.
    """
    kind = image_kind(gpu) if image in (AUTO, PUBLIC) else ""
    own = _own(account, kind=kind, blender=blender) if image == AUTO else ""
    image_id = own or (_newest(account, kind=kind) if kind else image)
    with account.calling("ec2:DescribeImages", image=image_id):
        found = account.ec2.describe_images(ImageIds=[image_id])["Images"]
    if not found:  # an image that was deregistered, or is not shared with this account
        raise ImageError(
            f"The machine image {image_id} does not exist in {account.region}, or is not yours to use",
            hint="Image ids differ from region to region: set Image (--image) to one of this region, or to auto",
        )
    architecture = found[0].get("Architecture", "x86_64")
    if architecture != "x86_64":
        raise ImageError(
            f"The machine image {image_id} is for {architecture} processors; Blender for Linux needs x86_64",
            hint="Set Image (--image) to the x86_64 variant of this image, or to auto",
        )
    root_device = found[0].get("RootDeviceName", "")
    sizes = [
        mapping.get("Ebs", {}).get("VolumeSize", 0)
        for mapping in found[0].get("BlockDeviceMappings", [])
        if mapping.get("DeviceName") == root_device
    ]
    if not root_device or not sizes:
        raise ImageError(
            f"The machine image {image_id} has no EBS root disk",
            hint="Set Image (--image) to an EBS-backed one, or to auto",
        )
    made_here = any(tag.get("Key") == IMAGE for tag in found[0].get("Tags", []))
    return Image(
        id=image_id,
        root_device=root_device,
        size_gb=sizes[0],
        origin="own" if made_here else "public" if kind else "given",
        brings_driver=gpu is None or bool(own) or kind in _WITH_DRIVER,
    )


def is_encrypted(account: Account, image_id: str) -> bool:
    """Tell whether an image's disk is encrypted. Raises `ImageError` if it does not exist, `CloudError`."""
    with account.calling("ec2:DescribeImages", image=image_id):
        found = account.ec2.describe_images(ImageIds=[image_id])["Images"]
    return any(disk.get("Ebs", {}).get("Encrypted") for each in found for disk in each.get("BlockDeviceMappings", []))


def _own(account: Account, *, kind: str, blender: str) -> str:
    """Return the finished image of that kind, made here, that fits best; "" if there is none."""
    found = newest(list_images(account), kind=kind, blender=blender)
    return found.id if found else ""


def _newest(account: Account, *, kind: str) -> str:
    with_driver = kind in _WITH_DRIVER
    name = NVIDIA_PARAMETER if with_driver else PLAIN_PARAMETER
    try:
        with account.calling("ssm:GetParameter", image=AUTO):
            value = account.ssm.get_parameter(Name=name)["Parameter"].get("Value", "")
    except ImageError as error:
        raise ImageError(
            f"AWS names no image with {'NVIDIA drivers' if with_driver else 'plain Ubuntu'} in {account.region}",
            hint="Use another Region (--region), or set Image (--image) to one of your own",
            details=error.details,
        ) from error.__cause__
    if not value:
        raise CloudError(
            f"AWS answered with an empty image id for {name}", hint="Set Image (--image) to one of your own"
        )
    return value
