# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images in the words of panels: pure functions, no bpy here."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from ..backend.job.words import format_seconds
from . import machine_texts, texts
from .session import Baked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..backend.aws.image_sharing import Behind
    from ..backend.aws.machine_images import MachineImage
    from ..backend.baking.build import Built, Tested
    from ..backend.errors import CloudrenderError
    from ..backend.farms.quotes import Quote
    from .session import Baking

MINUTES = (10, 20)
"""How long a build usually takes; more than half of it AWS needs to make the image of a disk."""

_DISK_GB = {"g": 87, "p": 87, "p3": 24, "cpu": 20}
"""Of AWS's public images as of 2025 with the room that is added; an image is as large as the disk it is made of."""

_SERVES = {
    "g": "All machines with graphics GPUs",
    "p": "All machines with compute GPUs",
    "p3": "All machines with GPUs older than Turing",
    "cpu": "All machines without GPU",
}


@functools.cache
def families() -> tuple[tuple[str, str, str], ...]:
    """Return the families to choose from, as Blender takes the items of an enum: one without GPU serves all those."""
    from ..backend.aws.choices import CHOICES  # noqa: PLC0415 - of no use before somebody looks
    from ..backend.baking.families import FAMILIES, TRIED_ON, builder_type, kind_of  # noqa: PLC0415

    gpus = {choice.name.partition(".")[0]: choice.gpu for choice in reversed(CHOICES)}
    return tuple(
        (
            name,
            ", ".join(filter(None, (name, gpus.get(name)))),
            f"{_SERVES[kind_of(name)]}. Made on {builder_type(name)}",
        )
        for name in (*(name for name in FAMILIES if kind_of(name) != "cpu"), TRIED_ON["cpu"])
    )


def default_family(machine_type: str) -> str:
    """Return the family of a machine type, or the one whose image serves it as well."""
    from ..backend.baking.families import TRIED_ON, kind_of  # noqa: PLC0415 - see families

    family = machine_type.partition(".")[0]
    return family if family in {name for name, *_ in families()} else TRIED_ON[kind_of(family or "c")]


def versions(text: str) -> tuple[str, ...]:
    """Return the versions that were typed, with commas or spaces between them."""
    return texts.names(",".join(text.split()))


def serves(family: str) -> str:
    """Say which jobs an image for that family serves."""
    from ..backend.baking.families import kind_of  # noqa: PLC0415 - see families

    those = _SERVES[kind_of(family)]
    return f"Jobs on {those[0].lower()}{those[1:]}"


def rented(machine_type: str, quote: Quote | None, *, otherwise: str) -> str:
    """Write what a build rents: "g4dn.xlarge, on-demand, $0.546/h"."""
    return ", ".join((machine_type, "on-demand", machine_texts.price(quote, "on-demand") or otherwise))


def cost(quote: Quote | None) -> str:
    """Write what a build costs and takes: "About $0.09 to $0.18 in 10 to 20 min"."""
    shortest, longest = MINUTES
    minutes = f"{shortest} to {longest} min"
    usd = quote.hourly_usd("on-demand") if quote else None
    if usd is None:
        return f"About {minutes}"
    return f"About {texts.money(usd * shortest / 60)} to {texts.money(usd * longest / 60)} in {minutes}"


def keeping(family: str) -> str:
    """Write what an image will cost a month."""
    from ..backend.aws.prices import SNAPSHOT_USD_PER_GB_MONTH  # noqa: PLC0415 - see families
    from ..backend.baking.families import kind_of  # noqa: PLC0415

    size = _DISK_GB[kind_of(family)]
    return f"At most {texts.money(size * SNAPSHOT_USD_PER_GB_MONTH)} a month for about {size} GB"


def monthly(image: MachineImage, behind: Behind | None = None) -> str:
    """Write what an image costs at most; what is `behind` it tells how much of its disk was written."""
    return f"{texts.money(image.monthly_usd if behind is None else behind.monthly_usd)} a month"


def doing(baking: Baking, now: float) -> str:
    """Write what is under way, at what it is, and since when: "Image Build, 5:00: Preparing Blender (1:00)"."""
    at = f"{_at(baking)} ({format_seconds(now - baking.since)})"
    return f"{baking.title}, {format_seconds(now - baking.began)}: {at}"


def status_line(baking: Baking, now: float) -> str:
    """Write what is under way for the status bar: "Image Build: Machine i-1 is starting, 2:05"."""
    at = _at(baking)
    return f"{baking.title}: {at if len(at) <= 60 else at[:59] + '…'}, {format_seconds(now - baking.began)}"


def _at(baking: Baking) -> str:
    return "Undoing what was done" if baking.cancel.noted else baking.doing


def title(image: MachineImage) -> str:
    """Say what an image has: "For graphics GPUs, Blender 4.2.23, NVIDIA 580.95.05"."""
    from ..backend.baking import words  # noqa: PLC0415 - whoever has an image has loaded it

    said = words.contents(image)
    return said[0].upper() + said[1:]


def facts(image: MachineImage, behind: Behind | None, now: float) -> str:
    """Say which image it is, how old and what it costs: "ami-1, us-east-1, 2 d old, at most $4.35 a month"."""
    age = [] if image.created is None else [f"{old} old" if (old := texts.age(now - image.created)) != "now" else "new"]
    return ", ".join((image.id, image.region, *age, f"at most {monthly(image, behind)}"))


def protection(behind: Behind | None) -> str:
    """Say how an image is encrypted, and with whom it is shared; "" if that is as usual, or nobody knows."""
    if behind is None:
        return ""
    key = "Not encrypted" if behind.key is None else "Encrypted with a key of your own" if behind.key.own else ""
    shared = f"shared with {', '.join(behind.accounts)}" if behind.accounts else ""
    return ", ".join(filter(None, (key, shared)))


def deletion(image: MachineImage, behind: Behind | None) -> str:
    """Say what is deleted, before it is."""
    shared = f", also for {', '.join(behind.accounts)}" if behind and behind.accounts else ""
    return f"{image.id} with its snapshots, which cost at most {monthly(image, behind)}{shared}."


def standing(
    image: MachineImage, images: Sequence[MachineImage], behind: Mapping[str, Behind], *, setting: str, now: float
) -> tuple[str, str]:
    """Return an icon and what an image is to the jobs of someone whose Image is set to `setting`."""
    from ..backend.aws.machine_images import newest  # noqa: PLC0415 - see title
    from ..backend.baking import words  # noqa: PLC0415

    if image.job_id:
        return "SORTTIME", "Not finished; delete it if nobody builds or copies it now"
    if image.state != "available":
        return "ERROR", f"{words.state(image).capitalize()}: {image.reason or 'it cannot be used'}"
    beside = [each for each in images if each.region == image.region]
    automatic = setting in ("", "auto")
    kind, old = image.contents.kind, ""
    if words.is_old(image, now=now):
        old = "; it is old: a new one may have a newer Blender and driver"
    if newest(beside, kind=kind) == image if automatic else setting == image.id:
        return "CHECKMARK", f"Jobs on such machines begin with it{old}"
    if not automatic:
        return "DOT", "No job begins with it"
    if mine := [each for each in image.contents.series if newest(beside, kind=kind, blender=each) == image]:
        return "CHECKMARK", f"Jobs with Blender {', '.join(mine)} on such machines begin with it{old}"
    if image in words.superseded(beside, behind):
        return "DOT", "A newer one has taken its place"
    return "DOT", "Jobs on such machines begin with newer ones"


def replaced(
    image: MachineImage, images: Sequence[MachineImage], behind: Mapping[str, Behind], *, setting: str
) -> tuple[MachineImage, ...]:
    """Return the images that a new one has taken the place of, for someone whose Image is set to `setting`."""
    from ..backend.baking import words  # noqa: PLC0415 - see title

    return words.replaced_by(image, [each for each in images if each.id != setting], behind)


def built(result: Built, behind: Behind | None) -> Baked:
    """Tell of an image that was made."""
    image = result.image
    return Baked(
        title="Image Ready",
        lines=(
            f"{image.id} in {image.region} cost {texts.money(result.cost_usd)}",
            f"{title(image)}; its first frame was rendered on {result.baked.device}",
            f"It costs at most {monthly(image, behind)}. With Image set to auto, jobs on such machines begin with it",
        ),
        hint=_key_needs(image, behind),
        image=image,
    )


def _key_needs(image: MachineImage, behind: Behind | None) -> str:
    """Say what else it takes until machines can open a disk that has a key of the user's own; "" if nothing does."""
    from ..backend.aws.disk_keys import spot_grants  # noqa: PLC0415 - see title

    if behind is None or behind.key is None or not behind.key.own:
        return ""
    spot = f"Spot machines can open its disk once this was run: {spot_grants(behind.key, [behind.key.account])[0]}"
    if not behind.accounts:
        return spot
    told = f"`cloudrender image share {image.id} {' '.join(behind.accounts)}`"
    return f"{spot}. What its key has to allow the other accounts, {told} tells"


def tested(image: MachineImage, result: Tested) -> Baked:
    """Tell how an image did."""
    from ..backend.baking import words  # noqa: PLC0415 - see title

    baked = result.baked
    missing = ", ".join(baked.downloaded)
    return Baked(
        title="Image Incomplete" if missing else "Image Works",
        lines=(
            f"{image.id} rendered on {baked.device}, driver {baked.contents.driver or 'none'}",
            f"{words.times(result)}; cost {texts.money(result.cost_usd)}",
            *([f"Blender {missing} is not on it as it should be"] if missing else []),
        ),
        hint="Build another image and delete this one" if missing else "",
        failed=bool(missing),
    )


def copied(image: MachineImage) -> Baked:
    """Tell of a copy."""
    return Baked(
        title="Image Copied",
        lines=(f"{image.id} in {image.region}, for at most {monthly(image)}", title(image)),
    )


def failed(title: str, error: CloudrenderError) -> Baked:
    """Tell what went wrong."""
    return Baked(
        title=f"{title} Failed", lines=(error.message,), hint=error.hint, details=error.details[-5:], failed=True
    )
