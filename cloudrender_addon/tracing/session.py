# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: open the .blend of a request, trace it, rewrite what has to be, write the result and end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import bpy

from .blends import Blends, Reading
from .disk import Disk
from .facts import tell
from .opening import CannotOpen, link_everything
from .request import Answer, Request, read_request, write_result
from .resolving import Resolver
from .rewriting import rewrite
from .tracer import Tracer


def main(path: Path) -> None:
    """Answer the request and end this Blender: with 0 if there is a result or a foreseen error, else with 3."""
    code = 0
    result_path = None
    try:
        request = read_request(path)
        result_path = Path(request.result)
        write_result(result_path, answer(request))
    except Exception as error:  # noqa: BLE001 - the process ends below without anybody printing it
        traceback.print_exc()
        code = 3
        if result_path is not None:
            text = f"Blender {bpy.app.version_string} cannot look through the file: {error!r}"
            write_result(result_path, _error(text, "Please report this, with what Blender printed."))
    _flush()
    os._exit(code)  # Blender 4.2 may crash or hang on the way out


def answer(request: Request) -> dict[str, Any]:
    """Return the result of a trace as it is written: what was found, or the error."""
    found = Answer(blender=".".join(map(str, bpy.app.version)))
    try:
        reading = Reading(request.blend)
        main = link_everything(request.blend)
    except CannotOpen as error:
        return _error(str(error), error.hint)
    resolver = Resolver(Disk(), request.project)
    blends = Blends(request, main, resolver, reading=reading)
    tracer = Tracer(bpy.data, blends, resolver, found)
    tracer.run()
    rewrite(blends, staging=Path(request.staging), answer=found)
    tell(tracer, bpy.data, found, scratch=Path(request.staging))
    found.blends = {one.name: {"path": one.path, "size": one.size, "mtime_ns": one.mtime_ns} for one in blends.sent()}
    return found.as_json()


def _flush() -> None:
    """Write out what was printed, by Blender's own code too: it is no matter of the result if that cannot be done."""
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError, AttributeError):
        # What is in the process itself has no name, except on Windows, where every library must have one.
        ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).fflush(None)


def _error(message: str, hint: str) -> dict[str, Any]:
    return {"error": {"message": message, "hint": hint}}
