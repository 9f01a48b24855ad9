# SPDX-License-Identifier: GPL-3.0-or-later
"""A line to the machines that is as slow as a user's: what connects to one port goes on to another one, at a pace."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

_PIECE = 64 << 10
_HELD = 256 << 10
"""Bytes that the system may keep for each side: a long queue would hide the pace from the sender."""


@contextlib.contextmanager
def line(*, port: int, bytes_per_second: float, count: Callable[[int], object] = lambda _: None) -> Iterator[int]:
    """Give a port that leads to `port` of the address that was dialed; the pace holds for each way of a connection.

    `count` gets the length of every piece that is carried, either way.
    """
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _HELD)
        server.bind(("", 0))
        server.listen(32)
        threading.Thread(target=_serve, args=(server, port, bytes_per_second, count), daemon=True).start()
        yield int(server.getsockname()[1])


def _serve(server: socket.socket, port: int, pace: float, count: Callable[[int], object]) -> None:
    with contextlib.suppress(OSError):  # closed: the end
        while True:
            near, _ = server.accept()
            try:
                far = socket.create_connection((near.getsockname()[0], port))
            except OSError:  # a machine that is not up yet
                near.close()
                continue
            for ends in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(*ends, pace, count), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket, pace: float, count: Callable[[int], object]) -> None:
    free = time.monotonic()  # from when on the line takes more
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            time.sleep(max(free - time.monotonic(), 0))
            free = max(free, time.monotonic() - 0.01) + len(data) / pace
            count(len(data))
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
