"""What an agent reports, followed live or read at once."""

import time

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, LinkError, MachineError
from cloudrender_addon.backend.farms import agent_events
from tests.ssh.link_rig import Rig, lines

STARTED = {"event": "started", "at": 1.5, "version": 1}


@pytest.mark.parametrize("last", ["finished", "failed", "stopped"])
def test_events_end_with_a_terminal_one(rig: Rig, last: str) -> None:
    end = {"event": last, "at": 2.0}
    link = rig.with_agent(follow=lines(None, STARTED, None, end, {"event": "after the end"}), end=b"hang")
    assert list(link.events(cancel=CancelToken())) == [None, STARTED, None, end]
    assert rig.calls() == ["follow 0"]
    assert list(link.events(cancel=CancelToken()))[1] == STARTED  # again from the first on, on the same link


@pytest.mark.parametrize(
    "line",
    [
        b"Welcome to Ubuntu\n",
        b"[1]\n",
        b"1\n",
        b"{}\n",
        b'{"event": 5}\n',
        b'{"event": "x"\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b"9" * 10_000 + b"\n",
        b'{"event": "' + b"x" * 17_000_000 + b'"}\n',
        b'{"event": "' + b"x" * 17_000_000,
    ],
    ids=lambda line: repr(line[:12]),
)
def test_what_is_no_event_is_refused(rig: Rig, line: bytes) -> None:
    link = rig.with_agent(follow=lines(STARTED) + line, end=b"hang")
    events = link.events(cancel=CancelToken())
    with pytest.raises(MachineError) as caught:
        list(events)
    assert not caught.value.retryable


def test_agent_that_stops_reporting(rig: Rig) -> None:
    events = rig.with_agent(follow=lines(STARTED)).events(cancel=CancelToken())
    assert next(events) == STARTED
    with pytest.raises(LinkError, match="stopped reporting"):
        next(events)


def test_agent_that_cannot_report_says_why(rig: Rig) -> None:
    with pytest.raises(MachineError, match="Following the render") as caught:
        list(rig.with_agent(end=b"fail").events(cancel=CancelToken()))
    assert caught.value.details == ("no reason",)


def test_missing_heartbeat_is_noticed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    assert agent_events._HEARTBEAT_SILENCE <= 10
    monkeypatch.setattr(agent_events, "_HEARTBEAT_SILENCE", 0.5)
    events = rig.with_agent(follow=lines(STARTED, None), end=b"hang").events(cancel=CancelToken())
    assert [next(events), next(events)] == [STARTED, None]
    started = time.monotonic()
    with pytest.raises(LinkError):
        next(events)
    assert time.monotonic() - started < 2


def test_cancelled_events(rig: Rig) -> None:
    cancel = CancelToken()
    events = rig.with_agent(follow=lines(STARTED), end=b"hang").events(cancel=cancel)
    next(events)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(events)


def test_snapshot_leaves_out_what_is_being_written(rig: Rig) -> None:
    link = rig.with_agent(dump=lines(STARTED, None, {"event": "frame"}) + b'{"event": "fra')
    assert link.snapshot() == [STARTED, {"event": "frame"}]
    assert rig.calls() == ["dump"]


def test_snapshot_has_a_limit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_events, "_MAX_LOG_BYTES", 1000)
    with pytest.raises(MachineError, match="longer"):
        rig.with_agent(dump=lines(STARTED) * 50).snapshot()


def test_events_that_come_at_once_are_told_ahead(rig: Rig) -> None:
    many = [{"event": "frame", "n": n} for n in range(50)]
    link = rig.with_agent(follow=lines(STARTED, *many), end=b"hang")
    told: list[dict] = []
    events = link.events(cancel=CancelToken(), ahead=told.extend)
    while len(told) < 51:
        next(events)
    events.close()
    assert told == [STARTED, *many]
