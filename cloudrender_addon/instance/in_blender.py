# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside Blender: make the open file ready, then render one frame per number read, until no more come.

One JSON line goes back for the scene and one for each frame:
`{"reply": "scene", …}`, `{"reply": "error", "kind", "message", "hint"}` (and the end),
`{"reply": "frame", "frame", "seconds", "files"}`, `{"reply": "frame_error", "frame", "message"}`; and once, while the
first frame renders, `{"reply": "first_sample"}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import IO, Any

import bpy

from .addons import addon_notes
from .blend_file import check_renderable
from .blend_output import FileOutputs, choose_format, frame_label
from .cycles_devices import choose_device
from .failure import Failure
from .first_sample import tell_first_sample
from .missing_files import missing_notes
from .root import read_plan


def main(plan: Path, work: Path) -> None:
    """Speak over the two inherited pipes and end the process: this Blender has no other work to do."""
    commands = _inherited("CLOUDRENDER_COMMANDS_FD", "r")
    replies = _inherited("CLOUDRENDER_REPLIES_FD", "w")
    code = 0
    try:
        _serve(plan, work, commands, replies)
    except BrokenPipeError:
        pass  # the agent is gone, and nobody wants the frame
    except Exception:  # noqa: BLE001 - the process ends below without anybody printing it
        traceback.print_exc()
        code = 3
    _flush()
    # Blender 4.2 may crash or hang on the way out when the file's own scripts have left handlers behind.
    os._exit(code)


def _flush() -> None:
    """Bring to the log what Blender (in C) and Python still hold back: the agent quotes its last lines."""
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)


def _inherited(name: str, mode: str) -> IO[str]:
    descriptor = int(os.environ.pop(name))
    os.set_inheritable(descriptor, False)
    return os.fdopen(descriptor, mode, encoding="ascii")


def _serve(plan: Path, work: Path, commands: IO[str], replies: IO[str]) -> None:
    def say(**message: Any) -> None:
        _flush()
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    try:
        scene, outputs = _prepare(plan, work)
    except Failure as failure:
        say(reply="error", kind=failure.kind, message=failure.message, hint=failure.hint)
        return
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be told and not look like a crash
        traceback.print_exc()
        text = f"Blender cannot prepare the file: {error!r}"
        say(reply="error", kind="agent", message=text, hint="Please report this, with the lines below.")
        return
    say(reply="scene", **scene)
    tell_first_sample(lambda: say(reply="first_sample"))
    for line in iter(commands.readline, ""):
        say(**_render(int(line), work, outputs))


def _prepare(plan_path: Path, work: Path) -> tuple[dict[str, Any], FileOutputs]:
    plan = read_plan(plan_path)
    scene: Any = bpy.context.scene
    preferences: Any = bpy.context.preferences
    check_renderable(scene, plan_path.parent / "project" / plan.blend)
    cycles = preferences.addons.get("cycles")
    device = choose_device(scene, preferences=cycles and cycles.preferences, gpu=plan.gpu)
    notes = [*addon_notes(work), *missing_notes(), *device.notes, *choose_format(scene)]
    outputs = FileOutputs(scene)
    # Without it, Blender turns the negative frames of a range into frame 0.
    preferences.edit.use_negative_frames = True
    description = {
        "engine": scene.render.engine,
        "device": device.kind,
        "devices": list(device.names),
        "format": scene.render.image_settings.file_format,
        "extension": scene.render.file_extension,
        "notes": [*notes, *outputs.notes],
    }
    return description, outputs


def _render(frame: int, work: Path, outputs: FileOutputs) -> dict[str, Any]:
    """Render one frame into a folder of its own and return the reply."""
    folder = work / str(frame)
    scene: Any = bpy.context.scene
    begun = time.monotonic()
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        scene.render.filepath = str(folder / frame_label(frame))
        outputs.redirect(folder)
        # Not frame_set(): that evaluates every view layer for the screen and runs the file's frame handlers an
        # extra time. The operator evaluates the active one, which advances simulations that are not baked.
        scene.frame_current = frame
        bpy.ops.render.render(write_still=True)
        seconds = round(time.monotonic() - begun, 3)
        files = outputs.collect(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError is how an operator's error report arrives in Python
        return {"reply": "frame_error", "frame": frame, "message": str(error).strip()}
    if not any(name.startswith(frame_label(frame)) for name in files):
        return {"reply": "frame_error", "frame": frame, "message": "Blender wrote no image for this frame"}
    return {"reply": "frame", "frame": frame, "seconds": seconds, "files": files}
