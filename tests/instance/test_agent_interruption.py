# SPDX-License-Identifier: GPL-3.0-or-later
"""The two-minute notice: told at once, no frame is begun or waited for in vain; the recommendation: between frames."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudrender_addon.instance.interruption import InterruptionWatch, Notice
from tests.instance.agent_rig import Rig, wait_until


class MetadataService:
    """IMDSv2 with what a test makes it say; a token is good for `token_uses` questions."""

    def __init__(self) -> None:
        self.notice: dict[str, str] | None = None
        self.recommended = ""
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
                elif said := service.said(self.path):
                    self._answer(200, json.dumps(said).encode())
                else:
                    self._answer(404, b"")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def said(self, path: str) -> dict[str, str] | None:
        if path == "/latest/meta-data/spot/instance-action":
            return self.notice
        if path == "/latest/meta-data/events/recommendations/rebalance" and self.recommended:
            return {"noticeTime": self.recommended}
        return None

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
    assert (rig.end()["event"], rig.end()["reason"]) == ("stopped", "interruption")
    assert [event["frame"] for event in rig.named("frame")] == [1, 2]  # the one in hand was finished
    assert rig.attempts(3) == 0


def test_a_frame_that_is_lost_anyway_is_not_waited_for(rig: Rig, metadata: MetadataService) -> None:
    rig.plan(1, 2, 3)
    rig.behave(frames={1: ["seconds 100"], 2: ["hold"]})
    rig.start()
    wait_until(lambda: rig.named("frame"))
    metadata.announce(50)
    assert rig.end() == {**rig.end(), "event": "stopped", "reason": "interruption"}
    [notice] = rig.named("interruption")
    assert rig.end()["at"] - notice["at"] < 5, "it waited for the power cut"
    assert [event["frame"] for event in rig.named("frame")] == [1]
    assert not rig.named("frame_failed") and not rig.blenders()


def test_a_frame_of_unknown_length_is_waited_for_until_nobody_could_fetch_it(
    rig: Rig, metadata: MetadataService
) -> None:
    rig.plan(1, 2)
    rig.behave(frames={1: ["hold"]})
    rig.start()
    wait_until(lambda: rig.attempts(1))
    metadata.announce(12)
    end = rig.end()
    [notice] = rig.named("interruption")
    assert end["event"] == "stopped" and 2 < end["at"] - notice["at"] < 12
    assert rig.attempts(2) == 0


def test_nothing_is_loaded_for_a_machine_that_goes(rig: Rig, metadata: MetadataService) -> None:
    rig.plan(1, 2)
    rig.behave(load=["hold"])
    rig.start()
    metadata.announce(110)
    assert rig.end()["event"] == "stopped" and not rig.named("frame_started")


def test_no_blender_is_brought_to_a_machine_that_goes(rig: Rig, metadata: MetadataService) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mirror:  # takes the connection and never says a word
        rig.plan(1, 2, blender="4.9", mirror=f"http://127.0.0.1:{mirror.getsockname()[1]}")
        rig.start()
        mirror.accept()
        metadata.announce(110)
        assert rig.end() == {**rig.end(), "event": "stopped", "reason": "interruption"}
        assert not rig.named("blender_ready")


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


@pytest.mark.parametrize(("seconds", "frames", "moves"), [(0, 4, True), (0, 2, False), (3600, 4, False)])
def test_a_recommendation_is_followed_between_frames_when_it_pays(
    rig: Rig, metadata: MetadataService, seconds: int, frames: int, moves: bool
) -> None:
    rig.plan(*range(1, frames + 1), move_seconds=seconds)
    rig.behave(frames={2: ["hold"]})
    rig.start()
    wait_until(lambda: rig.attempts(2))
    metadata.recommended = "2026-01-01T00:00:00Z"
    wait_until(lambda: rig.named("rebalance"))
    rig.release()
    end = rig.end()
    assert [event["time"] for event in rig.named("rebalance")] == [metadata.recommended]
    assert len(rig.named("frame")) == (2 if moves else frames)  # the one in hand is always finished
    assert (end["event"], end.get("reason")) == (("stopped", "rebalance") if moves else ("finished", None))


def test_a_recommendation_is_only_noted_where_there_is_nowhere_to_go(rig: Rig, metadata: MetadataService) -> None:
    metadata.recommended = "2026-01-01T00:00:00Z"
    rig.plan(1, 2, 3, move_seconds=None)
    rig.start()
    assert rig.end()["event"] == "finished" and rig.named("rebalance")


def test_a_notice_after_a_recommendation_is_heard(rig: Rig, metadata: MetadataService) -> None:
    rig.plan(1, 2, 3)
    rig.behave(frames={1: ["seconds 100"], 2: ["hold"]})
    metadata.recommended = "2026-01-01T00:00:00Z"
    rig.start()
    wait_until(lambda: rig.named("rebalance") and rig.named("frame"))
    metadata.announce(50)
    assert rig.end()["reason"] == "interruption"


def watched(metadata: MetadataService, monkeypatch: pytest.MonkeyPatch) -> list[Notice]:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url)
    notices: list[Notice] = []
    watch = InterruptionWatch(on_notice=notices.append, on_recommendation=print, poll_seconds=0.02)
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
    [("2001-01-01T00:00:00Z", 100, 120), ("2999-01-01T00:00:00Z", 115, 120), ("soon", 100, 120)],
)
def test_a_wrong_clock_gives_no_more_than_two_minutes(
    metadata: MetadataService, monkeypatch: pytest.MonkeyPatch, moment: str, least: float, most: float
) -> None:
    metadata.notice = {"action": "stop", "time": moment}
    [notice] = watched(metadata, monkeypatch)
    assert least - 1 <= notice.ends_at - time.monotonic() <= most
