# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP connection below SSH: made without blocking, and told to notice a dead peer by itself."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time

from ..cancel import CancelToken

_POLL_SECONDS = 0.1
_UNDER_WAY = {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY}

_IDLE_SECONDS = 5
_PROBE_SECONDS = 2
_PROBES = 3
_UNACKNOWLEDGED_MILLISECONDS = 12_000

_OPTIONS = (
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    # A peer that lost its power says nothing. Asking an idle one, and not waiting for minutes until a busy one
    # acknowledges, ends the connection after about 12 s. What a platform lacks, the waits above SSH make up for.
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", _IDLE_SECONDS),  # Linux, Windows
    (socket.IPPROTO_TCP, "TCP_KEEPALIVE", _IDLE_SECONDS),  # the same on macOS
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", _PROBE_SECONDS),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", _PROBES),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", _UNACKNOWLEDGED_MILLISECONDS),  # Linux
)


def dial(address: str, port: int, *, cancel: CancelToken, deadline: float) -> socket.socket:
    """Return a connected socket. `deadline` is `time.monotonic()` seconds. Raises `OSError`, `Cancelled`."""
    refusal = OSError(errno.EADDRNOTAVAIL, "no such address")
    for family, kind, protocol, _, target in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            _connect(sock, target, cancel=cancel, deadline=deadline)
            _tune(sock)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            refusal = error
        else:
            return sock
    raise refusal


def _connect(sock: socket.socket, target: object, *, cancel: CancelToken, deadline: float) -> None:
    sock.setblocking(False)  # a connect to a machine that drops packets hears no cancel
    problem = sock.connect_ex(target)  # type: ignore[arg-type]  # as getaddrinfo gave it
    if problem in _UNDER_WAY:
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            while not selector.select(_POLL_SECONDS):
                cancel.check()
                if time.monotonic() > deadline:
                    raise TimeoutError(errno.ETIMEDOUT, "no answer")
        problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if problem:
        raise OSError(problem, os.strerror(problem))


def _tune(sock: socket.socket) -> None:
    for level, name, value in _OPTIONS:
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(level, option, value)
