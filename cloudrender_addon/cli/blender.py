# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender FILE -b --command cloudrender …`: the command with the flags of the shell's, under Blender's own Python."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import bpy

from ..backend.errors import CloudrenderError, ConfigError
from .display import choose_display
from .main import main

_WITHOUT_NETWORK = ("jobs", "-h", "--help", "--version")


def run(argv: Sequence[str], *, preset: Mapping[str, object]) -> int:
    """Run one command and return its exit code. `preset` are the extension's preferences, which flags override.

    The file to render is the one that Blender has open, if none is named.
    """
    if not bpy.app.online_access and not set(argv) & set(_WITHOUT_NETWORK):
        offline: CloudrenderError = ConfigError(
            "Blender is offline", hint="Start it with --online-mode, or turn on Allow Online Access in its preferences"
        )
        choose_display(as_json="--json" in argv).error(offline)
        return 1
    try:
        return main(argv, preset=preset, blend=bpy.data.filepath or None)
    except SystemExit as end:  # wrong usage: Blender must not end in the middle of its own clean-up
        sys.stdout.flush()
        return end.code if isinstance(end.code, int) else 1
