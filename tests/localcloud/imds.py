# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance metadata service of one stand-in machine, version 2 only (every question needs a token)."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.localcloud.serving import Serving

_TOKEN_LIFETIME = range(1, 21601)  # seconds, as AWS allows


class Imds:
    """Answers `values` (path below /latest/ → text) on its own port of the machine's address.

    Set `interruption` and `rebalance` (dicts) when the machine is to be taken away.
    """

    def __init__(self, *, address: str, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._tokens: dict[str, float] = {}
        self.interruption: dict[str, str] | None = None
        self.rebalance: dict[str, str] | None = None
        server = ThreadingHTTPServer((address, 0), type("Handler", (_Handler,), {"imds": self}))
        server.daemon_threads = True
        self._serving = Serving(server)
        self.url = f"http://{address}:{server.server_address[1]}"

    def close(self) -> None:
        """Stop answering."""
        self._serving.stop()

    def new_token(self, seconds: int) -> str:
        token = secrets.token_urlsafe(32)
        self._tokens[token] = time.monotonic() + seconds
        return token

    def accepts(self, token: str | None) -> bool:
        return time.monotonic() < self._tokens.get(token or "", 0.0)

    def look_up(self, path: str) -> str | None:
        """Return the text at `path` below /latest/, None where AWS answers 404."""
        notices: dict[str, Any] = {
            "meta-data/spot/instance-action": self.interruption,
            "meta-data/spot/termination-time": self.interruption and self.interruption["time"],
            "meta-data/events/recommendations/rebalance": self.rebalance,
        }
        if path in notices:
            found = notices[path]
            return json.dumps(found) if isinstance(found, dict) else found
        return self._values.get(path)


class _Handler(BaseHTTPRequestHandler):
    imds: Imds
    server_version, sys_version = "EC2ws", ""

    def do_PUT(self) -> None:
        if self.path != "/latest/api/token":
            return self._answer(405)
        lifetime = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.headers.get("X-Forwarded-For") or not lifetime.isdigit() or int(lifetime) not in _TOKEN_LIFETIME:
            return self._answer(403 if self.headers.get("X-Forwarded-For") else 400)
        return self._answer(200, self.imds.new_token(int(lifetime)))

    def do_GET(self) -> None:
        if not self.imds.accepts(self.headers.get("X-aws-ec2-metadata-token")):
            return self._answer(401)
        found = self.imds.look_up(self.path.removeprefix("/latest/").rstrip("/"))
        return self._answer(404) if found is None else self._answer(200, found)

    def _answer(self, status: int, text: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the console is the user's."""
