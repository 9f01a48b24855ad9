# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each machine of a job took to its first frame, step by step: what an image of one's own buys.

`timing.jsonl` in the job's folder has a line for each step of each machine, with all that was known of it then; so a
client that goes on with a job has what the one before it saw, however that ended.
"""

from __future__ import annotations

import contextlib
import json
import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..farms.base import Machine
from .folder import JobFolder

STEPS = ("running", "answers", "agent", "driver", "blender", "files", "first_sample", "first_frame")
"""In the order they have as a rule; Blender and the project's files come at the same time, either may be first.

It has an address, answers by SSH, its agent has begun, NVIDIA's driver has been installed (only where the image has
none), Blender is there, the project is there, Blender has rendered a first sample (never where it counts none:
Workbench), a first frame is finished.
"""

WORTHWHILE_SECONDS = 10.0
"""What an image has to save to be worth a word."""

_FILE = "timing.jsonl"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step that was taken: `at` is seconds since the beginning, `took` seconds since the step before it."""

    name: str
    at: float
    took: float


@dataclass(frozen=True, kw_only=True)
class MachineTiming:
    """When a machine had come how far: `seconds` since `began` (epoch seconds), by the names of `STEPS`.

    It began with the launch; one that was `kept_by` another job began when this job took it over, running and with its
    Blender. `image_origin` is as in `Offer`. `blender_from` is "image", "download" or "kept" (by the job before), "" as
    long as nobody knows. `alone`: no client was there for a while before it had all of the project, so it had to wait.
    """

    instance_id: str
    instance_type: str
    image_id: str
    seconds: dict[str, float]
    image_origin: str = ""
    on_demand: bool = False
    began: float = 0.0
    kept_by: str = ""
    blender_from: str = ""
    alone: bool = False

    @property
    def key(self) -> tuple[str, float]:
        """What tells it from all others of a job, which may take over a machine that it had itself, and has kept."""
        return self.instance_id, self.began

    def steps(self) -> tuple[Step, ...]:
        """Return the steps that were taken, as they came."""
        order = sorted(self.seconds.items(), key=lambda step: (step[1], STEPS.index(step[0])))
        earlier = [0.0, *(at for _, at in order)]
        return tuple(
            Step(name=name, at=at, took=at - before) for (name, at), before in zip(order, earlier, strict=False)
        )

    def with_step(self, name: str, moment: float) -> MachineTiming:
        """Return it with a step taken at that moment, unless that was known. `moment` is epoch seconds."""
        if name in self.seconds:
            return self
        return replace(self, seconds={**self.seconds, name: round(max(0.0, moment - self.began), 3)})

    @property
    def an_image_saves(self) -> float | None:
        """How much sooner it could have rendered with all it needs on its image, in seconds; None if nobody can tell.

        The time from the agent's start until Blender was there, and a driver, as far as nothing else was waited for
        meanwhile. What a first render compiles, which such an image has behind it, too, comes on top.
        """
        agent, blender = self.seconds.get("agent"), self.seconds.get("blender")
        began_so = self.image_origin == "public" and self.blender_from == "download" and not self.kept_by
        if not began_so or agent is None or blender is None:
            return None
        return max(0.0, blender - max(agent, self.seconds.get("files", agent)))


def timing_of(machine: Machine, *, kept_by: str = "") -> MachineTiming:
    """Return the timing of a machine of which no step is known."""
    began = machine.launched_at if machine.paid_from is None else machine.paid_from
    return MachineTiming(
        instance_id=machine.instance_id or "",
        instance_type=machine.offer.instance_type,
        image_id=machine.offer.image_id,
        image_origin=machine.offer.image_origin,
        on_demand=machine.request.on_demand,
        began=began or 0.0,
        kept_by=kept_by,
        seconds={},
    )


def timings(folder: JobFolder) -> tuple[MachineTiming, ...]:
    """Return the times of the job's machines, in order, as far as clients on this computer know them."""
    try:
        lines = (folder.path / _FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    found: dict[tuple[str, float], MachineTiming] = {}
    for line in lines:
        # A line cut short by a crash is a step not noted.
        with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError):
            timing = _from_json(json.loads(line))
            found[timing.key] = timing
    return tuple(found.values())


def note(folder: JobFolder, timing: MachineTiming) -> None:
    """Write down what is known of a machine. For the holder of the folder's lock. Raises `OSError`."""
    with (folder.path / _FILE).open("a", encoding="utf-8") as file:
        # It begins on a new line, whatever a crash or a full disk left of the one before.
        file.write(f"\n{json.dumps(asdict(timing))}\n")


def to_json(timing: MachineTiming) -> dict[str, Any]:
    """Return it as what JSON can hold, for programs: with the steps as they came."""
    return {**asdict(timing), "steps": [asdict(step) for step in timing.steps()]}


def _from_json(data: dict[str, Any]) -> MachineTiming:
    seconds = {name: float(data["seconds"][name]) for name in STEPS if name in data["seconds"]}
    if not all(map(math.isfinite, seconds.values())):
        raise ValueError("not a time")
    return MachineTiming(**{**data, "seconds": seconds})


@dataclass(frozen=True, kw_only=True)
class FirstSample:
    """How soon machines of a type began to render from an image: the median of `machines`, `seconds` after the launch.

    `image_id` is "" for all the images of AWS, whose newest is taken.
    """

    instance_type: str
    image_id: str
    seconds: float
    machines: int


def compare_images(machines: Iterable[MachineTiming]) -> tuple[FirstSample, ...]:
    """Return what each image made of machine types that began with more than one, the slowest first of each type.

    Only machines that were launched, and watched until their first sample, count.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for each in filter(_counts, machines):
        sample = each.seconds.get("first_sample")
        if sample is not None:
            image = "" if each.image_origin == "public" else each.image_id
            found.setdefault(each.instance_type, {}).setdefault(image, []).append(sample)
    return tuple(_by_image(found))


def image_savings(machines: Iterable[MachineTiming]) -> dict[str, tuple[float, int]]:
    """Return for machine types that only ever began with AWS's image what one of one's own would save, if it is enough.

    In seconds, the median of so many machines.
    """
    found: dict[str, list[float]] = {}
    others = set()
    for each in filter(_counts, machines):
        if each.image_origin != "public":
            others.add(each.instance_type)
        elif (seconds := each.an_image_saves) is not None:
            found.setdefault(each.instance_type, []).append(seconds)
    medians = {name: (statistics.median(saved), len(saved)) for name, saved in found.items() if name not in others}
    return {name: median for name, median in medians.items() if median[0] >= WORTHWHILE_SECONDS}


def _counts(timing: MachineTiming) -> bool:
    """Tell whether a machine is like all others: launched, and looked at until it had all it needs."""
    return bool(timing.image_origin) and not timing.kept_by and not timing.alone


def _by_image(found: dict[str, dict[str, list[float]]]) -> Iterator[FirstSample]:
    for instance_type, images in sorted(found.items()):
        if len(images) > 1:
            medians = [
                FirstSample(
                    instance_type=instance_type,
                    image_id=image,
                    seconds=statistics.median(seconds),
                    machines=len(seconds),
                )
                for image, seconds in images.items()
            ]
            yield from sorted(medians, key=lambda each: each.seconds, reverse=True)
