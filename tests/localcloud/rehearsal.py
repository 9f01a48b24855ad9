# SPDX-License-Identifier: GPL-3.0-or-later
"""A render or an image that can come to nothing here, as its Blender was not fetched: told before it begins.

The product would find out on the machine, as on AWS: there every release is.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from cloudrender_addon.backend.errors import CloudrenderError
from cloudrender_addon.backend.scene import NEWEST_BLENDER, read_scene
from cloudrender_addon.cli.arguments import parse
from cloudrender_addon.cli.render import choose_blend

_FETCHED = ("4.2", "4.5", "5.0")
"""What `make blenders` fetches."""


def missing_blender(command: Sequence[str], *, installed: Iterable[str]) -> str:
    """Say which Blender the command would miss, and what to do; "" for all that needs none."""
    if Path(command[0]).name != "cloudrender":
        return ""
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it may ask for --help
            arguments = parse(command[1:])
        if arguments.command == "render":
            blend = choose_blend(arguments.blend, Path.cwd())
            purpose, all_wanted = blend.name, [arguments.blender or read_scene(blend).blender]
        elif arguments.command == "image" and arguments.action == "build":
            purpose, all_wanted = "an image", arguments.blender or [".".join(map(str, NEWEST_BLENDER))]
        else:
            return ""
    except (CloudrenderError, SystemExit):  # the command's own to say
        return ""
    for wanted in all_wanted:
        if any(f"{version}.".startswith(f"{wanted}.") for version in installed):
            continue
        series = ".".join(wanted.split(".")[:2])
        fetched = ", ".join(_FETCHED)
        if series not in _FETCHED:
            return f"there is no Blender {wanted} to rehearse {purpose} with: `make blenders` fetches {fetched}"
        return f"Blender {wanted} for {purpose} is not here yet: `make blenders` fetches {fetched}"
    return ""
