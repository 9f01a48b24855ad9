# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a script in Blender as a user's: scripted.py SOURCE REPORT. What it leaves in `answer` is the report, as JSON.

The extension is enabled as Blender does at its start, and Blender may go online.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
from session_state import session_state

MODULE = "bl_ext.user_default.cloudrender"
_SECONDS = 90.0


def part(name: str) -> Any:
    """Import a module of the extension."""
    return importlib.import_module(f"{MODULE}.{name}")


def pump_until(condition: Callable[[], object]) -> None:
    """Do what the timer of a Blender with a window does, until the condition holds. Raises TimeoutError."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(str(vars(part("ui.session").SESSION)))
        part("ui.pump").pump()
        time.sleep(0.02)


def disable() -> None:
    """Disable the extension: Blender deletes its packages."""
    bpy.ops.preferences.addon_disable(module=MODULE)


def quit_blender() -> None:
    """Do what Blender does with extensions when it quits."""
    import addon_utils  # found once bpy is there

    addon_utils.disable_all()


def main(source: str, destination: str) -> None:
    import addon_utils  # found once bpy is there

    addon_utils.enable(MODULE, default_set=True)
    bpy.context.preferences.system.use_online_access = True
    helpers: tuple[Any, ...] = (bpy, part, pump_until, disable, quit_blender, session_state)
    names: dict[str, Any] = {helper.__name__: helper for helper in helpers}
    exec(compile(Path(source).read_text(encoding="utf-8"), source, "exec"), names)  # noqa: S102 - the test's own
    Path(destination).write_text(json.dumps(names.get("answer"), default=sorted), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # some versions of the module crash while the interpreter winds down
