# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: the cases of a script, each in a new file; report what went wrong with each ("" if nothing)."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import bpy


def run(names: dict[str, Any]) -> NoReturn:
    """Run every function of the script whose name begins with "case_", with an empty folder of its own.

    Ends the process.
    """
    report = Path(sys.argv[1])
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for said in (1, 2):  # Blender tells of every file that it saves, and of every one that it misses
        os.dup2(nowhere, said)
    outcome = {name: _outcome(case) for name, case in names.items() if name.startswith("case_")}
    report.write_text(json.dumps(outcome), encoding="utf-8")
    os._exit(0)


def _outcome(case: Callable[[Path], None]) -> str:
    bpy.ops.wm.read_homefile(use_factory_startup=True, load_ui=True)
    bpy.context.preferences.system.use_online_access = True
    bpy.context.preferences.view.render_display_type = "WINDOW"
    with tempfile.TemporaryDirectory() as folder:
        try:
            case(Path(folder).resolve())
        except Exception:  # noqa: BLE001 - whatever it is, the test tells it
            return traceback.format_exc()
    return ""
