# SPDX-License-Identifier: GPL-3.0-or-later
"""From an address to a transport that is logged in, with nothing trusted but the pinned host key."""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import socket
import threading
import time
from pathlib import Path

import paramiko

from ..cancel import CancelToken
from ..errors import HostKeyError, LinkError, RecordError
from .keys import load_key
from .tcp import dial

_POLL_SECONDS = 0.1
_WINDOW_BYTES = 4 << 20
"""Larger windows make sshd burn CPU and slow it down, smaller ones slow down a distant machine."""

_NO_REKEY = 2**40
"""Bytes and packets. A channel that closes while paramiko asks for new keys hangs (paramiko #822), which a transfer
of 512 MB runs into; sshd asks for new keys in time by itself."""

_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
"""Fastest first; paramiko itself would put the GCM ciphers last."""

# paramiko logs a traceback for every connection that breaks, which is everyday life here and told as `LinkError`.
_LOG = logging.getLogger(f"{__name__}.wire")
_LOG.propagate = False
_LOG.addHandler(logging.NullHandler())


def open_transport(
    *, address: str, port: int, user: str, key_file: Path, host_key: str, cancel: CancelToken, timeout: float
) -> paramiko.Transport:
    """Connect, check the host key, log in, all within `timeout` seconds.

    Raises `LinkError` (refused, no answer, not let in: a booting machine does all of these), `HostKeyError`,
    `RecordError` (a key on this computer), `Cancelled`.
    """
    deadline = time.monotonic() + timeout
    pinned = _key_bytes(host_key)
    key = paramiko.Ed25519Key.from_private_key_file(str(load_key(key_file).path))
    transport = None
    try:
        transport = _transport(dial(address, port, cancel=cancel, deadline=deadline), timeout=timeout)
        event = threading.Event()
        transport.start_client(event=event)
        _wait(event, transport, cancel=cancel, deadline=deadline)
        if transport.get_remote_server_key().asbytes() != pinned:
            raise HostKeyError(
                f"{address} is not the machine that was started: it shows another host key",
                hint="Nothing was sent to it, and it is ended; render again.",
            )
        event = threading.Event()
        transport.auth_publickey(user, key, event=event)
        _wait(event, transport, cancel=cancel, deadline=deadline)
        if not transport.is_authenticated():
            raise LinkError(
                f"{address} does not let {user} in",
                hint="Check the SSH user of the machine image; the automatic images have `ubuntu`.",
                refused=True,
            )
    except BaseException as error:
        drop(transport)
        if isinstance(error, paramiko.SSHException | EOFError | OSError):
            raise LinkError(
                f"{address} port {port} cannot be reached: {cause(error)}",
                hint="Check that the network you are in lets SSH connections out.",
                refused=transport is not None and not isinstance(error, TimeoutError),
            ) from error
        raise
    return transport


def drop(transport: paramiko.Transport | None) -> None:
    """Close the connection at once, under whoever is using it. Never waits, never raises."""
    if transport is None:
        return
    # An unfinished handshake has a timer thread, and the interpreter would wait for that one at its exit.
    transport.packetizer.complete_handshake()
    # A close alone does not wake a thread that is blocked in this socket.
    with contextlib.suppress(OSError):
        transport.sock.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        transport.close()


def cause(error: BaseException) -> str:
    """Say in a few words what went wrong."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or "the other side closed the connection"


def _transport(sock: socket.socket, *, timeout: float) -> paramiko.Transport:
    transport = paramiko.Transport(sock, default_window_size=_WINDOW_BYTES)
    transport.set_log_channel(_LOG.name)
    # Later than our own deadline, because paramiko tells a handshake that took too long as a closed connection.
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout + 5
    transport.packetizer.REKEY_BYTES = transport.packetizer.REKEY_PACKETS = _NO_REKEY
    transport.get_security_options().ciphers = _CIPHERS
    return transport


def _wait(event: threading.Event, transport: paramiko.Transport, *, cancel: CancelToken, deadline: float) -> None:
    while not event.wait(_POLL_SECONDS):
        cancel.check()
        if time.monotonic() > deadline:
            raise TimeoutError("no answer")
    if not transport.is_active():
        raise transport.get_exception() or EOFError


def _key_bytes(host_key: str) -> bytes:
    try:
        return base64.b64decode(host_key.split()[1], validate=True)
    except (IndexError, binascii.Error) as error:
        raise RecordError(
            "The host key of the machine is damaged in the job's record",
            hint="The machine is ended; render again.",
        ) from error
