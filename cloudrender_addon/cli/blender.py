# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender FILE -b --command cloudrender …`: the command with the flags of the shell's, under Blender's own Python."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import bpy

from ..backend.errors import CloudrenderError, ConfigError
from .display import choose_display
from .main import main

_WITHOUT_NETWORK = {"-h", "--help", "--version"}
_COMMANDS_WITHOUT_NETWORK = ("jobs", "policy", "check-snapshot")


def run(argv: Sequence[str], *, preset: Mapping[str, object]) -> int:
    """Run one command and return its exit code. `preset` are the extension's preferences, which flags override.

    The file to render is the one that Blender has open, if none is named.
    """
    if not bpy.app.online_access and _needs_network(argv):
        offline: CloudrenderError = ConfigError(
            "Blender is offline", hint="Start it with --online-mode, or turn on Allow Online Access in its preferences"
        )
        choose_display(as_json="--json" in argv).error(offline)
        return 1
    try:
        own = Path(bpy.app.binary_path) if bpy.app.binary_path else None
        return main(argv, preset=preset, blend=bpy.data.filepath or _not_opened(), own_blender=own)
    except SystemExit as end:  # --help: Blender must not end in the middle of its own clean-up
        sys.stdout.flush()
        return end.code if isinstance(end.code, int) else 1


def _needs_network(argv: Sequence[str]) -> bool:
    return not _WITHOUT_NETWORK.intersection(argv) and (not argv or argv[0] not in _COMMANDS_WITHOUT_NETWORK)


def _not_opened() -> str | None:
    """Return the file that Blender was started with, if any: it has none open, so it could not open this one.

    No other file may be rendered in its place.
    """
    words = itertools.takewhile(lambda word: word not in ("-c", "--command"), sys.argv[1:])
    return next((word for word in words if word.endswith(".blend")), None)
