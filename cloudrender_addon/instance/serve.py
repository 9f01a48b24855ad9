# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand out finished frames, as many as are asked for, one after the other on one connection.

A question is a line, JSON [name, offset, length], the answer a header and that many bytes, or the reason why not. Any
number of questions may be asked ahead; they are answered in order.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path

from . import lease
from .root import Root
from .transfer import ANSWER, REFUSED, SERVED

_CHUNK_BYTES = 1 << 18
_RENEW_SECONDS = 10.0


def serve(root: Root) -> int:
    """Answer until nobody asks any more, and return the exit code."""
    renewed = 0.0
    try:
        for line in sys.stdin.buffer:
            name, offset, length = json.loads(line)
            if time.monotonic() - renewed >= _RENEW_SECONDS:
                renewed = time.monotonic()
                with contextlib.suppress(OSError, ValueError):  # the old one still runs
                    lease.renew(root)
            try:
                source = os.open(root.frames / Path(name).name, os.O_RDONLY | os.O_NONBLOCK)
            except OSError as error:
                reason = f"{name}: {error.strerror}".encode()
                _write(ANSWER.pack(REFUSED, len(reason)) + reason)
                continue
            try:
                _send(source, offset, max(0, min(length, os.fstat(source).st_size - offset)))
            finally:
                os.close(source)
    except BrokenPipeError:
        pass
    return 0


def _send(source: int, offset: int, length: int) -> None:
    header = ANSWER.pack(SERVED, length)
    if length <= _CHUNK_BYTES:
        _write(header + os.pread(source, length, offset).ljust(length, b"\0"))  # in one piece: many are small
        return
    _write(header)
    end = offset + length
    while offset < end:
        try:
            sent = os.sendfile(1, source, offset, min(_CHUNK_BYTES, end - offset))
        except OSError:
            if not (data := os.pread(source, min(_CHUNK_BYTES, end - offset), offset)):
                raise
            _write(data)
            sent = len(data)
        if not sent:
            raise OSError("a frame became shorter while it was fetched")
        offset += sent


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
