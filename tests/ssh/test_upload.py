"""A project is sent, and what the machine has of it already is not."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudrender_addon.backend.assets.manifest import Manifest
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, LinkError
from cloudrender_addon.backend.farms import agent_link
from cloudrender_addon.backend.ssh.connection import SshConnection
from cloudrender_addon.instance import agent_files
from tests.ssh.link_rig import FAKE_AGENT, Rig, far, lines, packing, push, tree
from tests.unit.bundles import HARD_NAMES, make


def test_project_arrives_whole(rig: Rig, tmp_path: Path) -> None:
    files = {name: name.encode() * 3000 for name in HARD_NAMES} | {"empty": b"", "big": os.urandom(30_000_001)}
    bundle = make(tmp_path / "project", files)
    sent: list[int] = []
    push(rig.booted().link(), bundle, on_sent=sent.append)
    assert tree(rig.root / "project") == files
    agent = {name: content for name, content in tree(rig.root / "agent").items() if not name.endswith(".pyc")}
    assert agent == {**agent_files(), "agent.py": FAKE_AGENT}
    assert not list(rig.root.glob("project.*")) and not list((rig.root / "store" / "parts").iterdir())
    assert sent == sorted(sent) and len(sent) > 10
    assert sent[-1] == bundle.total_bytes


def test_what_can_be_run_can_be_run_there(rig: Rig, tmp_path: Path) -> None:
    bundle = make(tmp_path / "project", {"plain": b"x", "tool.sh": b"#!/bin/sh", "empty": b""})
    (tmp_path / "project" / "tool.sh").chmod(0o755)
    push(rig.booted().link(), bundle)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (rig.root / "project").iterdir()}
    assert modes == {"plain": 0o400, "tool.sh": 0o500, "empty": 0o400}


def test_a_content_that_several_files_have_is_sent_once(rig: Rig, tmp_path: Path) -> None:
    twin = os.urandom(300_000)
    bundle = make(tmp_path / "project", {"a": twin, "b/c": twin, "d": b"other"})
    sent: list[int] = []
    push(rig.booted().link(), bundle, on_sent=sent.append)
    assert tree(rig.root / "project") == {"a": twin, "b/c": twin, "d": b"other"}
    assert sent[-1] == 300_005


def test_a_long_push_keeps_the_machine_alive(rig: Rig, tmp_path: Path) -> None:
    push(rig.booted().link(), make(tmp_path / "project", {"big": bytes(600_000)}))
    assert int((rig.root / "lease").read_text()) >= 900


def test_a_long_wait_for_the_hashes_keeps_the_machine_alive(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_link, "_RENEW_SECONDS", 0.0)
    ready = packing(make(tmp_path / "project", {"a": b"x"})).manifest(lambda: None)

    def slow(wait: Callable[[], None]) -> Manifest:
        wait()
        return ready

    rig.booted().link().push(slow, on_sent=lambda *_: None, recheck=lambda _: None, cancel=CancelToken())
    assert rig.calls() == ["renew"]
    assert tree(rig.root / "project") == {"a": b"x"}


def test_project_that_is_there_is_not_even_looked_for_here(rig: Rig, tmp_path: Path) -> None:
    push(rig.booted().link(), make(tmp_path / "project", {"a": b"first"}))

    def never(_: object) -> Manifest:
        raise AssertionError

    rig.link().push(never, on_sent=lambda *_: never(None), recheck=never, cancel=CancelToken())
    assert tree(rig.root / "project") == {"a": b"first"}


def test_an_agent_that_has_ended_gets_no_project(rig: Rig, tmp_path: Path) -> None:
    rig.booted()
    (rig.root / "events.jsonl").write_bytes(lines({"event": "failed"}))
    push(rig.link(), make(tmp_path / "project", {"a": b"x"}))
    assert not (rig.root / "project").exists()


def test_an_agent_that_ends_meanwhile_ends_the_upload(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blender cannot be had: nobody need wait for an hour's upload to hear of it."""
    far(monkeypatch, False)
    rig.booted()

    def fail(sent: int) -> None:
        if sent:
            (rig.root / "events.jsonl").write_bytes(lines({"event": "failed"}))
            time.sleep(0.05)  # a slow line: the whole takes at least 19 s

    sent: list[int] = []
    began = time.monotonic()
    push(
        rig.link(),
        make(tmp_path / "project", {"big": os.urandom(100_000_000)}),
        on_sent=lambda done: (fail(done), sent.append(done)),
    )
    assert time.monotonic() - began < 15 and sent[-1] < 90_000_000
    assert not (rig.root / "project").exists()


def test_a_broken_push_is_gone_on_with(rig: Rig, tmp_path: Path) -> None:
    rig.booted()
    files = {"a": os.urandom(300_000), "b": os.urandom(30_000_000), "c": os.urandom(3_000_000)}
    bundle = make(tmp_path / "project", files)
    cut_at: list[int] = []

    def cut(sent: int) -> None:
        if sent > 20_000_000 and not cut_at:
            cut_at.append(sent)
            rig.server.kill_sessions()

    with pytest.raises(LinkError):
        push(rig.link(), bundle, on_sent=cut)
    assert not (rig.root / "project").exists()
    sent: list[int] = []
    push(rig.link(), bundle, on_sent=sent.append)
    assert tree(rig.root / "project") == files
    assert 0 < sent[-1] < bundle.total_bytes - cut_at[0] + 8_000_000  # what was under way, at most
    other = {"b": files["b"], "d": b"new"}
    rig.forget_project()
    sent.clear()
    push(rig.link(), make(tmp_path / "other", other), on_sent=sent.append)
    assert tree(rig.root / "project") == other and sent[-1] == 3


def test_a_second_project_sends_what_changed(rig: Rig, tmp_path: Path) -> None:
    files = {f"{n}": os.urandom(50_000) for n in range(100)}
    push(rig.booted().link(), make(tmp_path / "project", files))
    rig.forget_project()
    files["7"] = os.urandom(50_001)
    sent: list[int] = []
    push(rig.link(), make(tmp_path / "project", files), on_sent=sent.append)
    assert tree(rig.root / "project") == files and sent[-1] == 50_001
    rig.forget_project()
    sent.clear()
    push(rig.link(), make(tmp_path / "project", files), on_sent=sent.append)
    assert tree(rig.root / "project") == files and not sent


def test_what_neither_the_last_project_nor_this_one_has_is_removed(rig: Rig, tmp_path: Path) -> None:
    """A machine may be kept for one job after another: its disk was made for one."""
    rig.booted()
    kinds = [os.urandom(50_000) for _ in range(4)]

    def render(*contents: bytes) -> int:
        """Return how many bytes were sent."""
        sent = [0]
        shutil.rmtree(rig.root / "project", ignore_errors=True)
        push(rig.link(), make(tmp_path / "project", dict(zip("abcd", contents, strict=False))), on_sent=sent.append)
        return sent[-1]

    def kept() -> set[bytes]:
        return {content for content in tree(rig.root / "store").values() if len(content) == 50_000}

    render(kinds[0], kinds[1])
    assert render(kinds[0], kinds[2]) == 50_000 and kept() == {*kinds[:3]}
    assert render(kinds[0], kinds[1]) == 0, "who goes back to what was there last sends nothing"
    render(kinds[3])
    assert kept() == {kinds[0], kinds[1], kinds[3]}
    render(kinds[3])
    assert kept() == {kinds[3]}
    rig.forget_project()
    broken = make(tmp_path / "broken", {"a": kinds[0], "b": os.urandom(30 << 20)})
    with pytest.raises(ZeroDivisionError):
        push(rig.link(), broken, on_sent=lambda sent: 1 // (sent < 10 << 20))
    assert kinds[3] in kept(), "what was cut off is not the last project"
    assert render(kinds[3]) == 0


def test_what_is_damaged_on_the_machine_is_sent_again(rig: Rig, tmp_path: Path) -> None:
    """Blocks that a cut left behind may be wrong: found by the hash of the whole."""
    rig.booted()
    content = os.urandom(20 << 20)
    bundle = make(tmp_path / "project", {"big": content})
    parts = rig.root / "store" / "parts"
    parts.mkdir(parents=True)
    sha256 = hashlib.sha256(content).hexdigest()
    (parts / sha256).write_bytes(bytes(20 << 20))
    (parts / f"{sha256}.have").write_bytes(b"".join(n.to_bytes(4, "big") for n in range(19)))
    sent: list[int] = []
    push(rig.link(), bundle, on_sent=sent.append)
    assert tree(rig.root / "project") == {"big": content}


def test_cancelled_push(rig: Rig, tmp_path: Path) -> None:
    rig.booted()
    cancel = CancelToken()
    bundle = make(tmp_path / "project", {"a": bytes(5_000_000)})
    with pytest.raises(Cancelled):
        push(rig.link(), bundle, on_sent=lambda *_: cancel.cancel(), cancel=cancel)
    assert not (rig.root / "project").exists()


def test_a_project_is_sent_over_several_connections(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far(monkeypatch)
    files = {f"{n}": os.urandom(100_000) for n in range(100)} | {"large": os.urandom(60 << 20)}
    sent: list[int] = []
    bundle = make(tmp_path / "project", files)
    push(rig.booted().link(), bundle, on_sent=sent.append)
    assert tree(rig.root / "project") == files
    assert sent == sorted(sent) and sent[-1] == bundle.total_bytes
    assert rig.server.log.read_text().count("Accepted publickey") == 4


def test_connections_that_break_lose_nothing(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far(monkeypatch)
    link = rig.booted().link()
    others: list[SshConnection] = []
    again = link._connection._again

    def another(**arguments: object) -> SshConnection:
        others.append(again(**arguments))
        return others[-1]

    monkeypatch.setattr(link._connection, "_again", another)

    def cut(sent: int) -> None:
        if sent > 20_000_000:
            for connection in others:
                connection.close()

    content = os.urandom(80 << 20)
    push(link, make(tmp_path / "project", {"large": content}), on_sent=cut)
    assert tree(rig.root / "project") == {"large": content}
    assert others
