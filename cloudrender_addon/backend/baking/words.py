# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images in words, and which of them are old: the same in the terminal and in Blender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..aws.image_sharing import Behind
from ..aws.machine_images import MachineImage
from ..job.words import format_seconds

if TYPE_CHECKING:
    from .build import Tested
    from .record import BuildRecord

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


def disk(image: MachineImage, behind: Behind | None = None) -> str:
    """Say how large its disk is and what that costs; what is `behind` it tells how much of it was written."""
    written = f" ({behind.stored_gb:.0f} of them written)" if behind and behind.stored_gb < image.size_gb else ""
    return f"{image.size_gb} GB{written}, at most ${monthly_usd(image, behind):.2f} a month"


def monthly_usd(image: MachineImage, behind: Behind | None) -> float:
    """Return what an image costs a month, at most."""
    return image.monthly_usd if behind is None else behind.monthly_usd


def protection(behind: Behind) -> str:
    """Say how an image is encrypted and with whom it is shared."""
    text = "not encrypted"
    if behind.key:
        text = f"encrypted with {behind.key.arn if behind.key.own else 'the default key'}"
    return f"{text}, shared with {', '.join(behind.accounts)}" if behind.accounts else text


def times(tested: Tested) -> str:
    """Say how quickly an image that was tried got to its first frame."""
    seconds = tested.first_sample_seconds
    sample = "" if seconds is None else f"first sample after {seconds:.1f} s, "
    first_frame = f"first frame after {tested.first_frame_seconds:.1f} s"
    return f"From launch: answered after {tested.answered_seconds:.1f} s, {sample}{first_frame}"


def half_way(build_id: str, record: BuildRecord | None) -> str:
    """Say of a build whose client died what it may cost, going by its record; `clean-up` ends it."""
    if record is None:
        return f"The image build {build_id} was left half-way, and its record cannot be read"
    if not record.instance_type:
        return f"The copy of an image into {record.settings.region} ({build_id}) was left half-way"
    machine = record.machine
    price = f": its machine costs up to ${machine.hourly_usd:.2f} an hour" if machine else ""
    return f"The image build {build_id} was left half-way{price}"


def is_old(image: MachineImage, *, now: float) -> bool:
    """Tell whether it was made so long ago that another one may be worth its making."""
    return image.created is not None and now - image.created > OLD_SECONDS


def superseded(images: Sequence[MachineImage], behind: Mapping[str, Behind]) -> tuple[MachineImage, ...]:
    """Return the images that a newer one has taken the place of: for the same machines, with every series of theirs.

    One that is shared is none of them: other accounts name it by its id. One that somebody here names (`--image`), or a
    patch release that a newer image has not, may be among them.
    """
    return tuple(
        old
        for old in images
        if any(_replaces(new, old) for new in images) and not (old.id in behind and behind[old.id].accounts)
    )


def replaced_by(
    new: MachineImage, images: Sequence[MachineImage], behind: Mapping[str, Behind]
) -> tuple[MachineImage, ...]:
    """Return those of the images that `new` has taken the place of, see `superseded`."""
    return tuple(each for each in superseded([new, *images], behind) if _replaces(new, each))


def _replaces(new: MachineImage, old: MachineImage) -> bool:
    alike = new.contents.kind == old.contents.kind and new.region == old.region
    newer = new.whole and old.whole and new.age_order > old.age_order
    return alike and newer and {*old.contents.series} <= {*new.contents.series}
