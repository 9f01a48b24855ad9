# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine families that an image can be made for, and on which machine: the smallest of each that is sensible."""

from __future__ import annotations

import difflib
import re

from ..errors import UsageError

_WITHOUT_GPU = [f"{letter}{number}{maker}" for letter in "cm" for number in "678" for maker in "ia"]

_BUILDERS = {
    "g4dn": "g4dn.xlarge",
    "g5": "g5.xlarge",
    "g6": "g6.xlarge",
    "g6e": "g6e.xlarge",
    "g7e": "g7e.2xlarge",
    "p3": "p3.2xlarge",
    "p4d": "p4d.24xlarge",
    "p4de": "p4de.24xlarge",
    "p5": "p5.4xlarge",
    **{family: f"{family}.large" for family in _WITHOUT_GPU},
}

FAMILIES = tuple(_BUILDERS)

TRIED_ON = {"g": "g4dn", "p": "p3", "cpu": "c7i"}
"""The family on which an image of that kind is tried: the cheapest."""

_ARM = re.compile(r"[a-z]+\d+g[a-z]*")
"""Graviton, as AWS names it: a g behind the number (c7g, m8gd, g5g)."""


def builder_type(family: str) -> str:
    """Return the machine type to build on: that of a family ("g4dn"), or what is one already ("g4dn.2xlarge").

    Raises `UsageError`.
    """
    name = family.lower()
    if _ARM.fullmatch(name.partition(".")[0]):
        raise UsageError(
            f"Blender is not released for Linux on Graviton (ARM) processors, so there is no image for {family}",
            hint="Choose a family with Intel or AMD processors, such as c7i or c7a",
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
