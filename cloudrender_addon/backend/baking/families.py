# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine families that an image can be made for, and on which machine: the smallest of each that is sensible."""

from __future__ import annotations

import difflib

from ..aws.arm import is_arm, no_image
from ..errors import UsageError

_WITHOUT_GPU = [f"{letter}{number}{maker}" for letter in "cm" for number in "678" for maker in "ia"]

_BUILDERS = {
    "g4dn": "g4dn.xlarge",
    "g5": "g5.xlarge",
    "g6": "g6.xlarge",
    "gr6": "gr6.4xlarge",
    "g6e": "g6e.xlarge",
    "g7e": "g7e.2xlarge",
    "p3": "p3.2xlarge",
    "p3dn": "p3dn.24xlarge",
    "p4d": "p4d.24xlarge",
    "p4de": "p4de.24xlarge",
    "p5": "p5.4xlarge",
    "p5e": "p5e.48xlarge",
    "p5en": "p5en.48xlarge",
    **{family: f"{family}.large" for family in _WITHOUT_GPU},
}

FAMILIES = tuple(_BUILDERS)

TRIED_ON = {"g": "g4dn", "p": "p5", "p3": "p3", "cpu": "c7i"}
"""The family on which an image of that kind is tried: the cheapest."""

_WITHOUT_RECIPE = {
    "g4ad": "its GPU is AMD's",
    "g6f": "it has part of a GPU, which needs NVIDIA's vGPU driver",
    "gr6f": "it has part of a GPU, which needs NVIDIA's vGPU driver",
    "p2": "the last driver for its GPU is not maintained any more",
    **dict.fromkeys(("inf1", "inf2", "trn1", "trn1n", "trn2", "trn2u"), "Blender knows nothing of its accelerators"),
    **dict.fromkeys(("f1", "f2", "vt1", "dl1", "dl2q"), "Blender knows nothing of its accelerators"),
}
"""Families that one may think of, and why there is no image for them."""


def kind_of(family: str) -> str:
    """Return the kind of images for a family, by its name: "g", "p", "p3" or "cpu" (see `images.image_kind`)."""
    if family.startswith("p3"):
        return "p3"
    return family[0] if family[0] in "gp" else "cpu"


def families_of(kind: str) -> tuple[str, ...]:
    """Return the families that images of that kind serve."""
    return tuple(family for family in FAMILIES if kind_of(family) == kind)


def builder_type(family: str) -> str:
    """Return the machine type to build on: that of a family ("g4dn"), or what is one already ("g4dn.2xlarge").

    Raises `UsageError`.
    """
    name = family.lower()
    if is_arm(name):
        raise no_image(family)
    why = "it is a Mac" if name.startswith("mac") else _WITHOUT_RECIPE.get(name.partition(".")[0])
    if why:
        raise UsageError(
            f"There is no recipe for machines of the family {family}: {why}",
            hint="Choose one with a whole NVIDIA GPU, such as g4dn, or with Intel or AMD processors alone, such as c7i",
        )
    if "." in name:
        return name
    if name in _BUILDERS:
        return _BUILDERS[name]
    near = difflib.get_close_matches(name, FAMILIES, n=3)
    raise UsageError(
        f"There is no recipe for machines of the family {family!r}",
        hint=f"{'Perhaps ' + ' or '.join(near) if near else 'Known are ' + ', '.join(FAMILIES)}; or give a whole type, "
        "such as g5.2xlarge",
    )
