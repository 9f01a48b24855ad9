# SPDX-License-Identifier: GPL-3.0-or-later
"""The two-minute notice: told at once, and no frame is begun that could not be finished."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudrender_addon.instance.interruption import InterruptionWatch, Notice
from tests.instance.agent_rig import Rig, wait_until


class MetadataService:
    """IMDSv2 with a spot notice that a test sets; a token is good for `token_uses` questions."""

    def __init__(self) -> None:
        self.notice: dict[str, str] | None = None
        self.token_uses = 1000
        self.tokens = 0
        self.questions = 0
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                assert self.path == "/latest/api/token"
                assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
                service.tokens += 1
                self._answer(200, f"token-{service.tokens}".encode())

            def do_GET(self) -> None:
                service.questions += 1
                valid = f"token-{service.tokens}"
                if self.headers["X-aws-ec2-metadata-token"] != valid or service.questions > service.token_uses:
                    service.questions = 0
                    self._answer(401, b"")
                elif self.path != "/latest/meta-data/spot/instance-action" or service.notice is None:
                    self._answer(404, b"")
                else:
                    self._answer(200, json.dumps(service.notice).encode())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"

    def announce(self, seconds: float) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        self.notice = {"action": "terminate", "time": moment}


@pytest.fixture
def metadata() -> Iterator[MetadataService]:
    service = MetadataService()
    yield service
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture
def rig(tmp_path: Path, metadata: MetadataService) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata.url
    yield rig
    rig.close()


def test_no_frame_is_begun_that_does_not_fit(rig: Rig, metadata: MetadataService) -> None:
    rig.plan(1, 2, 3, 4)
    rig.behave(frames={1: ["seconds 40"], 2: ["hold"]})
    rig.start()
    wait_until(lambda: rig.attempts(2))
    metadata.announce(50)  # a frame of 40 s and the margin of 15 s are more
    wait_until(lambda: rig.named("interruption"))
    [notice] = rig.named("interruption")
    assert (notice["action"], notice["time"]) == ("terminate", metadata.notice and metadata.notice["time"])
    rig.release()
    assert rig.end()["event"] == "stopped"
    assert [event["frame"] for event in rig.named("frame")] == [1, 2]  # the one in hand was finished
    assert rig.attempts(3) == 0


def test_short_frames_go_on_after_the_notice(rig: Rig, metadata: MetadataService) -> None:
    rig.plan(1, 2, 3, 4)
    rig.behave(frames={2: ["hold"]})
    rig.start()
    wait_until(lambda: rig.attempts(2))
    metadata.announce(110)
    wait_until(lambda: rig.named("interruption"))
    rig.release()
    assert rig.end()["event"] == "finished"
    assert len(rig.named("frame")) == 4


def test_nothing_is_begun_when_no_frame_has_told_how_long_it_takes(rig: Rig, metadata: MetadataService) -> None:
    metadata.announce(110)
    rig.plan(1, 2)
    rig.behave(load=["hold"])
    rig.start()
    wait_until(lambda: rig.named("interruption"))
    rig.release()
    assert rig.end()["event"] == "stopped"
    assert not rig.named("frame_started")


def watched(metadata: MetadataService, monkeypatch: pytest.MonkeyPatch) -> list[Notice]:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url)
    notices: list[Notice] = []
    watch = InterruptionWatch(on_notice=notices.append, poll_seconds=0.02)
    watch.start()
    wait_until(lambda: notices)
    watch.stop()
    return notices


def test_an_expired_token_is_replaced(metadata: MetadataService, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata.token_uses = 3
    threading.Timer(0.3, metadata.announce, (60,)).start()
    [notice] = watched(metadata, monkeypatch)
    assert metadata.tokens > 1
    assert 50 < notice.ends_at - time.monotonic() <= 60


@pytest.mark.parametrize(
    ("moment", "least", "most"),
    [("2001-01-01T00:00:00Z", 0, 0), ("2999-01-01T00:00:00Z", 115, 120), ("soon", 100, 120)],
)
def test_a_wrong_clock_gives_no_more_than_two_minutes(
    metadata: MetadataService, monkeypatch: pytest.MonkeyPatch, moment: str, least: float, most: float
) -> None:
    metadata.notice = {"action": "stop", "time": moment}
    [notice] = watched(metadata, monkeypatch)
    assert least - 1 <= notice.ends_at - time.monotonic() <= most
