# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: open a user's .blend without writing beside it.

Blender evaluates a file as soon as it is open, and a simulation with a disk cache but without a bake then writes into
`blendcache_NAME` beside the file (measured in 4.2, 4.5 and 5.0).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent


def open_as_copy(blend: Path, copy: Path, *, prepare: Callable[[], None]) -> None:
    """Open the .blend as the file `copy`, whose paths lead where those of the original do. Raises RuntimeError.

    `prepare` is called before the copy is saved; nothing is evaluated by then.
    """
    failed: list[Exception] = []

    @persistent  # type: ignore[untyped-decorator]
    def become_copy(*_: object) -> None:
        handlers.remove(become_copy)
        try:
            prepare()
            _save(filepath=str(copy), compress=False, relative_remap=True, check_existing=False)
        except Exception as error:  # noqa: BLE001 - Blender would print it and go on
            failed.append(error)

    handlers: Any = bpy.app.handlers.load_post
    handlers.append(become_copy)
    try:
        bpy.ops.wm.open_mainfile(filepath=str(blend), load_ui=False, use_scripts=False)
    finally:
        if become_copy in handlers:
            handlers.remove(become_copy)
    if failed:
        raise failed[0]


def _save(**options: Any) -> None:
    """Save as Blender's operator does, but without what Python does before it calls one: evaluate the scene."""
    call = getattr(sys.modules.get("bpy.ops"), "_op_call", None)
    if call is not None:
        call("wm.save_as_mainfile", options)
    else:
        bpy.ops.wm.save_as_mainfile(**options)
