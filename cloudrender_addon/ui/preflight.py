# SPDX-License-Identifier: GPL-3.0-or-later
"""What would go wrong with a cloud render of the open file, and how to put it right: found before any money is spent.

Nothing is changed, neither in the file nor on disk, and no network is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .preflight_places import place_problems
from .preflight_scene import scene_problems
from .problem import Problem

if TYPE_CHECKING:
    from bpy.types import Context


def find_problems(context: Context, *, animation: bool) -> tuple[Problem, ...]:
    """Return what is wrong, errors first. Looks at files on disk for about half a second at most."""
    problems = [*scene_problems(context, animation=animation), *place_problems(context)]
    return tuple(sorted(problems, key=lambda problem: problem.level))  # "ERROR" before "WARNING"
