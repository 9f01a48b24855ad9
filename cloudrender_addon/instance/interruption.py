# SPDX-License-Identifier: GPL-3.0-or-later
"""Hear from the machine's metadata service that the cloud takes the machine away, or is likely to.

The first is the two-minute notice, the second the rebalance recommendation, which may come long before it, with it, or
without any.
"""

from __future__ import annotations

import calendar
import http.client
import json
import math
import os
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
    """Ask every `poll_seconds`; announce notice and recommendation (its time), once each, on this thread.

    `notice` and `recommended` are set when they have been announced. After a notice nothing more is asked.
    """

    def __init__(
        self,
        *,
        on_notice: Callable[[Notice], None],
        on_recommendation: Callable[[str], None],
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        super().__init__(name="interruption", daemon=True)
        self._on_notice = on_notice
        self._on_recommendation = on_recommendation
        self._poll_seconds = poll_seconds
        self._done = threading.Event()
        self._service = _MetadataService()
        self.notice: Notice | None = None
        self.recommended = False

    def run(self) -> None:
        complaint = ""
        while not self._done.is_set():
            try:
                self._look()
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                if repr(error) != complaint:  # no notice can be had: the render goes on, the log knows why
                    complaint = repr(error)
                    print(f"no interruption notice: {complaint}", flush=True)  # noqa: T201 - stdout is agent.log
            if self.notice:
                return
            self._done.wait(self._poll_seconds)

    def _look(self) -> None:
        if notice := self._service.notice():
            try:
                self._on_notice(notice)
            finally:
                self.notice = notice  # also if it could not be told
        elif not self.recommended and (moment := self._service.recommendation()):
            self._on_recommendation(moment)
            self.recommended = True

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
        said = self._get("spot/instance-action")
        if said is None:
            return None
        return Notice(str(said["action"]), str(said["time"]), time.monotonic() + _seconds_until(said["time"]))

    def recommendation(self) -> str | None:
        """Return the time of the rebalance recommendation, if there is one."""
        said = self._get("events/recommendations/rebalance")
        return None if said is None else str(said["noticeTime"])

    def _get(self, name: str) -> dict[str, Any] | None:
        """Return the object at a path below meta-data, None while there is none."""
        if not self._token:
            self._token = self._new_token()
        status, body = self._ask("GET", f"/latest/meta-data/{name}", {"X-aws-ec2-metadata-token": self._token})
        if status == 401:
            self._token = ""  # expired: a new one with the next question
        if status != 200:
            return None
        said: dict[str, Any] = json.loads(body)
        return said

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
    """Return the seconds left, by this machine's clock unless it must be wrong: a notice is of two minutes."""
    try:
        left = calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")) - time.time()
    except ValueError:
        left = math.inf
    if abs(left) > _NOTICE_SECONDS:
        return _NOTICE_SECONDS - _POLL_SECONDS
    return max(0.0, left)
