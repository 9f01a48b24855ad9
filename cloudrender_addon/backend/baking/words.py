# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images in words, and which of them are old: the same in the terminal and in Blender."""

from __future__ import annotations

from collections.abc import Sequence

from ..aws.machine_images import MachineImage
from ..job.words import format_seconds

OLD_SECONDS = 180 * 86_400.0
"""Half a year: by then Blender has a newer patch and the driver a newer branch."""

_MACHINES = {"g": "graphics GPUs", "p": "compute GPUs", "p3": "GPUs older than Turing", "cpu": "machines without GPU"}


def contents(image: MachineImage) -> str:
    """Say what an image has: "for graphics GPUs, Blender 4.2.23, NVIDIA 580.95.05"."""
    has = image.contents
    driver = f", NVIDIA {has.driver}" if has.driver else ""
    return f"for {_MACHINES.get(has.kind, has.kind)}, Blender {', '.join(has.blender)}{driver}"


def state(image: MachineImage) -> str:
    """Say how far it is, in a word or two."""
    return "half-made" if image.job_id else image.state


def age(image: MachineImage, *, now: float) -> str:
    """Say how old it is; `now` is epoch seconds."""
    return "age unknown" if image.created is None else f"age {format_seconds(max(0.0, now - image.created))}"


def disk(image: MachineImage) -> str:
    """Say how large its disk is and what that costs."""
    return f"{image.size_gb} GB, at most ${image.monthly_usd:.2f} a month"


def is_old(image: MachineImage, *, now: float) -> bool:
    """Tell whether it was made so long ago that another one may be worth its making."""
    return image.created is not None and now - image.created > OLD_SECONDS


def replaced_by(new: MachineImage, images: Sequence[MachineImage]) -> tuple[MachineImage, ...]:
    """Return the whole images for the same kind of machines that jobs begin with no more, now that there is `new`."""
    return tuple(
        each for each in images if each.contents.kind == new.contents.kind and each.id != new.id and not each.job_id
    )
