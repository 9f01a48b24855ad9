# SPDX-License-Identifier: GPL-3.0-or-later
"""A socketserver on a thread of its own, that hardly wakes up while nobody asks and still stops at once."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading

# How often the server looks whether it should stop. It is also woken for that, so this may be long.
_LOOK_SECONDS = 0.5


class Serving:
    """Serves from the moment it is made until `stop`."""

    def __init__(self, server: socketserver.BaseServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(_LOOK_SECONDS,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and close the port."""
        stopper = threading.Thread(target=self._server.shutdown, daemon=True)
        stopper.start()
        with contextlib.suppress(OSError), socket.create_connection(self._server.server_address, timeout=1):
            pass  # wakes the server's select
        stopper.join()
        self._thread.join()
        self._server.server_close()
