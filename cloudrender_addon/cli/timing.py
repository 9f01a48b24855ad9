# SPDX-License-Identifier: GPL-3.0-or-later
"""`jobs --timing` in words: how each machine got to its first frame, and what an image of one's own makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..backend.baking.families import FAMILIES
from ..backend.job.timing import MachineTiming, compare_images, image_savings
from ..backend.job.words import image_of

_STEPS = {
    "running": "running",
    "answers": "answers by SSH",
    "agent": "render agent started",
    "driver": "NVIDIA driver installed",
    "blender": "Blender ready",
    "files": "files there",
    "first_sample": "first sample",
    "first_frame": "first frame",
}

_BLENDER_FROM = {"image": "on the image", "download": "downloaded", "kept": "there already"}

_NAME, _TIME = 40, 14
"""Widths of the columns: with what they are indented by, they stay below 80."""


def table(timing: MachineTiming) -> Iterator[str]:
    """Yield the lines of one machine."""
    bought = "on-demand" if timing.on_demand else "spot"
    yield f"{timing.instance_id or 'machine'}, {timing.instance_type}, {bought}"
    if timing.kept_by:
        yield _row(f"  kept by job {timing.kept_by}: no boot", "from then on", "took")
    else:
        yield _row(f"  {image_of(timing)}", "after launch", "took")
    for step in timing.steps():
        name = _STEPS[step.name]
        if step.name == "blender" and timing.blender_from:
            name += f" ({_BLENDER_FROM.get(timing.blender_from, timing.blender_from)})"
        yield _row(f"    {name}", f"{step.at:.1f} s", f"{step.took:.1f} s")
    if not timing.seconds:
        yield "    nothing is known of it yet"
    if timing.alone:
        yield "    it waited for this computer meanwhile, which is in these times"


def _row(name: str, at: str, took: str) -> str:
    return f"{name:<{_NAME}}{at:>{_TIME}}{took:>{_TIME}}"


def images(machines: Sequence[MachineTiming]) -> Iterator[str]:
    """Yield what images of one's own have saved, or would save, over all jobs; nothing if that is not known."""
    compared = compare_images(machines)
    if compared:
        yield "First sample after the launch, median of all machines:"
    for each in compared:
        image = each.image_id or "AWS's image"
        of = f"{each.machines} machine{'s' if each.machines > 1 else ''}"
        yield f"  {each.instance_type:<16}{image:<24}{each.seconds:>9.1f} s  ({of})"
    for name, (seconds, count) in image_savings(machines).items():
        family = name.partition(".")[0]
        if family in FAMILIES:
            after = f"median of {count}" if count > 1 else "once"
            waited = f"{name} from AWS's image waited {seconds:.0f} s until its Blender was there ({after})"
            yield f"{waited}: `cloudrender image build --family {family}` makes an image that has it"
