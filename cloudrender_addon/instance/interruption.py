# SPDX-License-Identifier: GPL-3.0-or-later
"""Hear from the machine's metadata service that the cloud takes the machine away (the two-minute notice)."""

from __future__ import annotations

import calendar
import http.client
import json
import os
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

_ENDPOINT = "http://169.254.169.254"
_POLL_SECONDS = 5.0  # as AWS recommends
_TIMEOUT_SECONDS = 2.0
_TOKEN_SECONDS = 21600
_NOTICE_SECONDS = 120.0


@dataclass(frozen=True)
class Notice:
    """What the metadata service said. `ends_at` is `time.monotonic()` seconds."""

    action: str
    time: str
    ends_at: float


class InterruptionWatch(threading.Thread):
    """Ask every `poll_seconds`, and call `on_notice` once, on this thread, when a notice is there."""

    def __init__(self, *, on_notice: Callable[[Notice], None], poll_seconds: float = _POLL_SECONDS) -> None:
        super().__init__(name="interruption", daemon=True)
        self._on_notice = on_notice
        self._poll_seconds = poll_seconds
        self._done = threading.Event()
        self._service = _MetadataService()
        self.notice: Notice | None = None

    def run(self) -> None:
        complaint = ""
        while not self._done.is_set():
            try:
                self.notice = self._service.notice()
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                if repr(error) != complaint:  # no notice can be had: the render goes on, the log knows why
                    complaint = repr(error)
                    print(f"no interruption notice: {complaint}", flush=True)  # noqa: T201 - stdout is agent.log
            if self.notice:
                self._on_notice(self.notice)
                return
            self._done.wait(self._poll_seconds)

    def stop(self) -> None:
        """End the asking."""
        self._done.set()
        self.join(3 * _TIMEOUT_SECONDS)


class _MetadataService:
    def __init__(self) -> None:
        endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _ENDPOINT
        url = urllib.parse.urlsplit(endpoint)
        self._host = url.hostname or ""
        self._port = url.port or 80
        self._base = url.path.rstrip("/")
        self._token = ""

    def notice(self) -> Notice | None:
        if not self._token:
            self._token = self._new_token()
        status, body = self._ask(
            "GET", "/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": self._token}
        )
        if status == 401:
            self._token = ""  # expired: a new one with the next question
        if status != 200:
            return None
        said = json.loads(body)
        return Notice(str(said["action"]), str(said["time"]), time.monotonic() + _seconds_until(said["time"]))

    def _new_token(self) -> str:
        status, body = self._ask(
            "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
        )
        if status != 200:
            raise OSError(f"metadata service gives no token: HTTP {status}")
        return body.decode("ascii")

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        # http.client, as urllib would send the question through a proxy that the environment names
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, self._base + path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(65536)
        finally:
            connection.close()


def _seconds_until(moment: str) -> float:
    """Return the seconds left, at most the two minutes of every notice: this machine's clock may be wrong."""
    try:
        at = calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
    except ValueError:
        return _NOTICE_SECONDS - _POLL_SECONDS
    return max(0.0, min(_NOTICE_SECONDS, at - time.time()))
