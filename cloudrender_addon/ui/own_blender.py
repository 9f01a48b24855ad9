# SPDX-License-Identifier: GPL-3.0-or-later
"""This very Blender as a program, to be started once more in the background."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ..backend.errors import ConfigError

if TYPE_CHECKING:
    from ..backend.job.spec import JobSpec
    from ..backend.local_blender import LocalBlender


def own_blender() -> LocalBlender:
    """Return it. For the main thread."""
    from ..backend.local_blender import LocalBlender  # noqa: PLC0415 - of no use when enabling

    major, minor, patch = bpy.app.version
    if bpy.app.binary_path:
        return LocalBlender(program=Path(bpy.app.binary_path), version=(major, minor, patch))
    return LocalBlender(program=Path(sys.executable), version=(major, minor, patch), is_module=True)


def blender_of(spec: JobSpec, *, own: LocalBlender) -> LocalBlender:
    """Return a Blender of this computer that opens the job's file as the machine will: this one, if it does.

    Off the main thread: others are asked who they are. Raises `ConfigError`.
    """
    from ..backend.jobs import blender_for  # noqa: PLC0415 - see own_blender

    if spec.blender == own.series or spec.blender.startswith(f"{own.series}."):
        return own
    if (other := blender_for(spec)) is None:
        raise ConfigError(
            f"It takes Blender {spec.blender} to find out what {spec.blend} uses, which is not on this computer",
            hint="Start a new render of the file in this Blender",
        )
    return other
