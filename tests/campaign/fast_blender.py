# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Blender that renders a frame in milliseconds: the only thing of a campaign's jobs that is not real.

`blender -b FILE -P render.py -- PLAN WORK`, started by the agent, speaks as instance/in_blender.py does over the two
inherited pipes. What it does is in `renderer.json` beside FILE, which comes with the project:
`{"seconds": 0.05, "frames": {"7": "crash"}}`; see `Misbehaviour`. Standard library only; run as a plain file.
"""

from __future__ import annotations

import enum
import json
import os
import signal
import struct
import sys
import time
import zlib
from pathlib import Path
from typing import Any

VERSION = "4.2.23"
_SIZE = 8  # pixels, square


class Misbehaviour(enum.StrEnum):
    """What a frame may do instead of being rendered."""

    CRASH = "crash"
    """Blender crashes, whenever it is tried."""
    CRASH_ONCE = "crash once"
    NO_IMAGE = "no image"
    """Blender ends the frame without having written a file, whenever it is tried."""
    HANG = "hang"
    """Blender never ends this frame."""


def script() -> str:
    """Return the `blender` script of the release."""
    return f'#!/bin/sh\nexec "{sys.executable}" -I -S "{Path(__file__).resolve()}" "$@"\n'


def picture(frame: int) -> bytes:
    """Return a PNG whose every pixel tells the frame's number (see `frame_in`)."""
    pixel = bytes((frame >> 8 & 255, frame & 255, 77))
    rows = (b"\0" + pixel * _SIZE) * _SIZE
    header = struct.pack(">IIBBBBB", _SIZE, _SIZE, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def frame_in(pixel: tuple[int, ...]) -> int:
    """Return the number of the frame that a picture shows, by any of its pixels."""
    return pixel[0] << 8 | pixel[1]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _serve(blend: Path, plan: Path, work: Path) -> None:
    commands = os.fdopen(int(os.environ["CLOUDRENDER_COMMANDS_FD"]), "r", encoding="ascii")
    replies = os.fdopen(int(os.environ["CLOUDRENDER_REPLIES_FD"]), "w", encoding="ascii")

    def say(**message: Any) -> None:
        print(json.dumps(message), file=replies, flush=True)

    order = json.loads((blend.parent / "renderer.json").read_text(encoding="utf-8"))
    device = {"engine": "CYCLES", "device": "CPU", "devices": ["fast"]}
    say(reply="scene", **device, format="PNG", extension=".png", notes=[])
    sampled = False
    for line in iter(commands.readline, ""):
        frame = int(line)
        begun = time.monotonic()
        _misbehave(order["frames"].get(str(frame)), marks=plan.parent, frame=frame)
        if not sampled:
            sampled = True
            say(reply="first_sample")
        time.sleep(order["seconds"])
        if order["frames"].get(str(frame)) == Misbehaviour.NO_IMAGE:
            say(reply="frame_error", frame=frame, message="Blender wrote no image for this frame")
            continue
        name = f"{frame:04d}.png"
        try:
            (work / str(frame)).mkdir(parents=True, exist_ok=True)
            (work / str(frame) / name).write_bytes(picture(frame))
        except OSError as error:
            say(reply="frame_error", frame=frame, message=str(error))
            continue
        say(reply="frame", frame=frame, seconds=round(time.monotonic() - begun, 3), files=[name])


def _misbehave(how: str | None, *, marks: Path, frame: int) -> None:
    if how == Misbehaviour.HANG:
        time.sleep(3600)
    if how == Misbehaviour.CRASH_ONCE:
        mark = marks / f"crashed-{frame}"
        how = None if mark.exists() else Misbehaviour.CRASH
        mark.touch()
    if how == Misbehaviour.CRASH:
        print(f"the fast renderer crashes on frame {frame}", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)


def main() -> None:
    """Do what the arguments say."""
    arguments = sys.argv[1:]
    if "--version" in arguments:
        print(f"Blender {VERSION}")
        return
    after = arguments.index("--")
    (blend,) = (Path(argument) for argument in arguments[:after] if argument.endswith(".blend"))
    _serve(blend, *(Path(argument) for argument in arguments[after + 1 :]))


if __name__ == "__main__":
    main()
