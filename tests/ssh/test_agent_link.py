"""The link to an agent, over a real sshd; the agent is a fake that says what it is told to say."""

import dataclasses
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.assets.hash_cache import HashCache
from cloudrender_addon.backend.assets.manifest import Manifest
from cloudrender_addon.backend.assets.project import scan_project
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, LinkError, MachineError, ProjectError, TransferError
from cloudrender_addon.backend.farms import agent_commands, agent_events, agent_link, download, upload_round
from cloudrender_addon.backend.farms.agent_link import AgentLink, open_link
from cloudrender_addon.backend.farms.link import Link, RemoteFile, RenderPlan
from cloudrender_addon.backend.job.packing import Packing
from cloudrender_addon.backend.ssh.connection import SshConnection
from cloudrender_addon.instance import agent_files
from tests.ssh.sshd_helper import Sshd, sshd, until
from tests.unit.bundles import HARD_NAMES, make

FAKE_AGENT = b"""\
import pathlib, sys, time
here = pathlib.Path(__file__).parent
assert pathlib.Path.cwd() == here.resolve()
command = sys.argv[1]
if command in ("receive", "serve"):
    sys.path[0] = str(here.parent)
    import agent.commands
    sys.exit(agent.commands.main(sys.argv[1:], root=here.parent))
with (here / "called").open("a") as called:
    called.write(" ".join(sys.argv[1:]) + "\\n")
if command == "collected":
    (here.parent / "collected").touch()
if (here / command).exists():
    sys.stdout.buffer.write((here / command).read_bytes())
    sys.stdout.flush()
end = (here / "end").read_text() if (here / "end").exists() else "0"
if end == "hang":
    time.sleep(60)
sys.exit("no reason" if end == "fail" else 0)
"""

PLAN = RenderPlan(
    job_id="j1",
    blend="scene ü.blend",
    frames=(1, 2, 3),
    blender="4.2",
    mirror="https://example.org/",
    gpu=False,
    autoexec=False,
    move_seconds=None,
)


class Rig:
    """A machine with an sshd, and links to it."""

    def __init__(self, server: Sshd) -> None:
        self.server = server
        self.root = server.home / "cloudrender"
        self.fake = FAKE_AGENT
        self._open: list[Link] = []

    def link(self, *, setup_seconds: float = 10, cancel: CancelToken | None = None, **files: bytes) -> AgentLink:
        """Connect; `files` go beside the agent: what it says to `follow` and `dump`, and how it comes to its `end`."""
        for name, content in files.items():
            (self.root / "agent" / name).write_bytes(content)
        link = AgentLink(
            self.server.open(),
            files={**agent_files(), "agent.py": self.fake},
            cancel=cancel or CancelToken(),
            setup_seconds=setup_seconds,
        )
        self._open.append(link)
        return link

    def booted(self) -> "Rig":
        self.root.mkdir(mode=0o700)
        (self.root / "frames").mkdir()
        (self.root / "agent").mkdir()
        (self.root / "lease_seconds").write_text("900\n")
        return self

    def with_agent(self, **files: bytes) -> AgentLink:
        """Return a link to a machine that has been pushed an agent and an empty project."""
        link = self.booted().link(**files)
        push(link, Bundle(root=self.root, files=()))
        return link

    def frame(self, name: str, content: bytes) -> RemoteFile:
        (self.root / "frames" / name).write_bytes(content)
        return RemoteFile(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())

    def forget_project(self) -> None:
        """Do what a new job on a kept machine does."""
        shutil.rmtree(self.root / "project")

    def calls(self) -> list[str]:
        return (self.root / "agent/called").read_text().splitlines()

    def close(self) -> None:
        for link in self._open:
            link.close()


def far(monkeypatch: pytest.MonkeyPatch, distant: bool = True) -> None:
    """Make every machine one that is far away, or near, however long it takes when this computer is busy."""
    monkeypatch.setattr(upload_round, "FAR_SECONDS", 0.0 if distant else math.inf)
    monkeypatch.setattr(download, "FAR_SECONDS", 0.0 if distant else math.inf)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with sshd(tmp_path / "sshd") as server:
        made = Rig(server)
        yield made
        made.close()


def push(
    link: Link,
    bundle: Bundle,
    *,
    on_sent: Callable[[int], None] = lambda _: None,
    cancel: CancelToken | None = None,
) -> None:
    link.push(
        lambda wait: packing(bundle).manifest(wait),
        on_sent=lambda sent, _: on_sent(sent),
        recheck=packing(bundle).recheck,
        cancel=cancel or CancelToken(),
    )


def packing(bundle: Bundle) -> Packing:
    return Packing(lambda: bundle, cache=HashCache(bundle.root / "none" / "hashes"))


def lines(*events: object) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" if event else b"\n" for event in events)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- the commands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["BOOT", "START", "AGENT", "TALK"])
def test_any_login_shell_passes_the_script_on_unchanged(name: str) -> None:
    script = getattr(agent_commands, name)
    assert not set(script) & set("'\\!\n")
    assert agent_commands.remote(script).count("'") == 2


def test_start_up_does_not_wait_for_paramiko() -> None:
    program = "import sys, cloudrender_addon.backend.farms.agent_link; sys.exit('paramiko' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


# -- push ------------------------------------------------------------------------------------------------


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


def test_a_long_fetch_keeps_the_machine_alive(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent()
    data = os.urandom(100_000)
    (rig.root / "lease").unlink(missing_ok=True)
    fetch(link, rig.frame("0001.png", data), tmp_path / "0001.png")
    assert int((rig.root / "lease").read_text()) >= 900 and (tmp_path / "0001.png").read_bytes() == data


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


@pytest.mark.parametrize("size", [1000, 20 << 20])
def test_what_arrives_damaged_however_often_it_is_sent(rig: Rig, tmp_path: Path, size: int) -> None:
    rig.booted()
    bundle = make(tmp_path / "project", {"a": os.urandom(size)})
    manifest = packing(bundle).manifest(lambda: None)
    lie = Manifest(files=(dataclasses.replace(manifest.files[0], sha256="0" * 64),))
    rechecked: list[str] = []
    with pytest.raises(TransferError, match="a arrives damaged"):
        rig.link().push(
            lambda _: lie,
            on_sent=lambda *_: None,
            recheck=lambda file: rechecked.append(file.name),
            cancel=CancelToken(),
        )
    assert rechecked == ["a", "a", "a"]
    assert not (rig.root / "project").exists()


def test_a_file_that_changed_without_showing_it(rig: Rig, tmp_path: Path) -> None:
    bundle = make(tmp_path / "project", {"a": b"old"})
    os.utime(tmp_path / "project" / "a", (1, 1))
    packed = Packing(lambda: bundle, cache=HashCache(tmp_path / "hashes"))
    packed.manifest(lambda: None)
    (tmp_path / "project" / "a").write_bytes(b"new")
    os.utime(tmp_path / "project" / "a", (1, 1))
    rig.booted()
    for _ in range(2):
        packed.read()
        try:
            rig.link().push(packed.manifest, on_sent=lambda *_: None, recheck=packed.recheck, cancel=CancelToken())
        except ProjectError as error:
            assert "a changed" in error.message
    assert tree(rig.root / "project") == {"a": b"new"}


@pytest.mark.parametrize("change", ["shrinks", "grows", "is rewritten", "vanishes"])
def test_a_file_that_changes_is_no_project(rig: Rig, tmp_path: Path, change: str) -> None:
    bundle = make(tmp_path / "project", {"a": bytes(261_632), "b": os.urandom(12_000_000)})
    victim = tmp_path / "project" / "b"
    packed = packing(bundle)
    packed.manifest(lambda: None)
    if change == "vanishes":
        victim.unlink()
    elif change == "is rewritten":
        os.utime(victim, (1, 1))
    else:
        os.truncate(victim, 11_000_000 if change == "shrinks" else 13_000_000)
    with pytest.raises(ProjectError, match=r"b c(hanged|annot be read)") as caught:
        rig.booted().link().push(packed.manifest, on_sent=lambda *_: None, recheck=packed.recheck, cancel=CancelToken())
    assert caught.value.hint
    assert not (rig.root / "project").exists()


def test_cancelled_push(rig: Rig, tmp_path: Path) -> None:
    rig.booted()
    cancel = CancelToken()
    bundle = make(tmp_path / "project", {"a": bytes(5_000_000)})
    with pytest.raises(Cancelled):
        push(rig.link(), bundle, on_sent=lambda *_: cancel.cancel(), cancel=cancel)
    assert not (rig.root / "project").exists()


def test_full_disk_is_known_before_anything_is_sent(rig: Rig, tmp_path: Path) -> None:
    file = packing(make(tmp_path / "project", {"x": b"x"})).manifest(lambda: None).files[0]
    huge = Manifest(files=(dataclasses.replace(file, size=1 << 50),))
    sent: list[int] = []
    with pytest.raises(MachineError, match="disk is too small") as caught:
        rig.booted().link().push(
            lambda _: huge, on_sent=lambda *_: sent.append(1), recheck=lambda _: None, cancel=CancelToken()
        )
    assert not caught.value.retryable
    assert "1125.9 TB needed" in caught.value.message and not sent


def test_what_cannot_be_put_in_place_says_why(rig: Rig, tmp_path: Path) -> None:
    bundle = make(tmp_path / "project", {"a": b"x"})
    twice = dataclasses.replace(bundle, files=(bundle.files[0], dataclasses.replace(bundle.files[0], name="a/b")))
    with pytest.raises(MachineError, match="Sending the project failed") as caught:
        push(rig.booted().link(), twice)
    assert any(line.startswith("agent:") for line in caught.value.details)
    assert not (rig.root / "project").exists()


@pytest.mark.parametrize("name", ["../agent/agent.py", "/etc/passwd", "a//b", "a/./b", "", "a/..", "."])
def test_no_name_leads_out_of_the_project(rig: Rig, tmp_path: Path, name: str) -> None:
    bundle = make(tmp_path / "project", {"a": b"x"})
    astray = dataclasses.replace(bundle, files=(dataclasses.replace(bundle.files[0], name=name),))
    with pytest.raises(MachineError, match="Sending the project failed") as caught:
        push(rig.booted().link(), astray)
    assert "leads out of the project" in caught.value.details[-1]


@pytest.mark.parametrize(
    "answer",
    [
        b"Welcome to Ubuntu",
        b"[]",
        b"{}",
        b'{"lacking": 5, "begun": {}}',
        b'{"lacking": [[7, 1]], "begun": {}}',
        b'{"lacking": [[0, 1]], "begun": {"0": [[99, 1]]}}',
        b'{"lacking": [[0, 1]], "begun": []}',
        b'{"lacking": [[0, 1]], "begun": {}, "damaged": [5]}',
        b'{"lacking": [[0, 100000000000]], "begun": {}}',
        b'{"lacking": [[0, 1]], "begun": {"0": [[0, 100000000000]]}}',
        b'{"lacking": [[0, 1.0]], "begun": {}}',
        b'{"lacking": [[-1, 1]], "begun": {}}',
        b'{"lacking": [[0, 1], [0, 1]], "begun": {}}',
    ],
)
def test_what_makes_no_sense_is_refused(rig: Rig, tmp_path: Path, answer: bytes) -> None:
    rig.booted()
    says = b'import time; print({"state": "lacking"}.__repr__().replace(chr(39), chr(34)), flush=True); print('
    rig.fake = says + repr(answer.decode()).encode() + b", flush=True); time.sleep(60)"
    with pytest.raises(MachineError) as caught:
        push(rig.link(), make(tmp_path / "project", {"a": b"x"}))
    assert not isinstance(caught.value, LinkError)


def test_waits_for_the_user_data(rig: Rig, tmp_path: Path) -> None:
    def boot() -> None:
        until(lambda: len(rig.server.sessions()) >= 2, what="the link to wait")
        rig.booted()

    thread = threading.Thread(target=boot)
    thread.start()
    push(rig.link(), make(tmp_path / "project", {"a": b"x"}))
    thread.join()
    assert tree(rig.root / "project") == {"a": b"x"}


def test_machine_without_user_data(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="did not set itself up") as caught:
        push(rig.link(setup_seconds=0.4), make(tmp_path / "project", {"a": b"x"}))
    assert "cloud-init" in caught.value.hint
    assert not isinstance(caught.value, LinkError)


def test_cancel_while_the_machine_sets_itself_up(rig: Rig, tmp_path: Path) -> None:
    cancel = CancelToken()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        push(rig.link(), make(tmp_path / "p", {"a": b"x"}), cancel=cancel)
    timer.join()


# -- start, finish ---------------------------------------------------------------------------------------


def test_start_brings_the_plan_once(rig: Rig) -> None:
    link = rig.with_agent()
    link.start(PLAN)
    plan = json.loads((rig.root / "plan.json").read_text())
    assert plan == {**dataclasses.asdict(PLAN), "frames": [1, 2, 3], "addons": []}
    link.start(dataclasses.replace(PLAN, frames=(3,)))
    assert json.loads((rig.root / "plan.json").read_text()) == plan
    assert rig.calls() == ["start", "start"]


def test_half_a_plan_starts_nothing(rig: Rig) -> None:
    link = rig.with_agent()
    with pytest.raises(MachineError):
        link._run(agent_commands.START, "100", task="Starting", stdin=b"{")
    assert not (rig.root / "plan.json").exists()
    assert not (rig.root / "agent/called").exists()
    link.start(PLAN)
    assert rig.calls() == ["start"]


def test_large_plan(rig: Rig) -> None:
    link = rig.with_agent()
    link.start(dataclasses.replace(PLAN, frames=tuple(range(500_000))))
    assert len(json.loads((rig.root / "plan.json").read_text())["frames"]) == 500_000


def test_agent_that_cannot_start_says_why(rig: Rig) -> None:
    with pytest.raises(MachineError) as caught:
        rig.with_agent(end=b"fail").start(PLAN)
    assert caught.value.details == ("no reason",)


def test_finish_leaves_word(rig: Rig) -> None:
    rig.with_agent().finish()
    assert (rig.root / "collected").exists()


def test_keeping_the_machine(rig: Rig) -> None:
    rig.with_agent().keep(1800)
    assert rig.calls()[-1] == "keep 1800"


def test_another_job_begins_on_a_machine_that_was_kept(rig: Rig) -> None:
    link = rig.with_agent()
    link.begin("20260101-000000-abcd")
    link.extend(7200, lease_seconds=1800)
    assert rig.calls()[-2:] == ["begin 20260101-000000-abcd", "extend 7200 1800"]


def test_a_machine_that_refuses_another_job_says_why(rig: Rig) -> None:
    with pytest.raises(MachineError) as refused:
        rig.with_agent(end=b"fail").begin("j")
    assert refused.value.details == ("no reason",)


def test_finish_on_a_machine_that_is_going_down(rig: Rig) -> None:
    link = rig.with_agent()
    rig.server.kill_sessions()
    link.finish()
    with pytest.raises(LinkError):
        link.start(PLAN)


def test_calls_without_a_token_of_their_own_hear_the_links(rig: Rig) -> None:
    cancel = CancelToken()
    rig.booted()
    link = rig.link(cancel=cancel, end=b"hang")
    push(link, Bundle(root=rig.root, files=()))
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        link.start(PLAN)
    timer.join()


# -- events ----------------------------------------------------------------------------------------------

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


# -- fetch -----------------------------------------------------------------------------------------------


def fetch(link: Link, file: RemoteFile, destination: Path) -> None:
    link.fetch(file, destination, cancel=CancelToken())


@pytest.mark.parametrize("name", ["0001.png", "-0012.exr", "0001_L.png", "File_Output_0001.png", "-", "console.png"])
def test_frame_arrives(rig: Rig, tmp_path: Path, name: str) -> None:
    content = os.urandom(2_500_000)
    link = rig.with_agent()
    out = tmp_path / "Ausgabe ü"
    out.mkdir()
    (out / name).write_bytes(b"of an earlier job")
    fetch(link, rig.frame(name, content), out / name)
    assert tree(out) == {name: content}


def test_empty_file_arrives(rig: Rig, tmp_path: Path) -> None:
    fetch(rig.with_agent(), rig.frame("0001.txt", b""), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b""


def test_fetch_beside_events(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent(follow=lines(*[{"event": "frame", "n": n} for n in range(10)]), end=b"hang")
    events = link.events(cancel=CancelToken())
    for n in range(10):
        assert next(events) == {"event": "frame", "n": n}
        fetch(link, rig.frame(f"{n:04}.png", os.urandom(50_000)), tmp_path / f"{n}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "../plan.json",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "C:x",
        "a b",
        "a;b",
        "$HOME",
        "a\nb",
        "0001.png\n",
        "0001.png.",
        "日本語.png",
        "٠٠٠١.png",
        "x" * 201,
        "con",
        "NUL.png",
        "Com1.exr",
        "lpt9.a.b",
        "0001\0.png",
    ],
)
def test_unacceptable_names_touch_nothing(rig: Rig, tmp_path: Path, name: str) -> None:
    link = rig.with_agent()
    (tmp_path / "out").mkdir()
    with pytest.raises(MachineError, match="unacceptable"):
        fetch(link, RemoteFile(name=name, size=1, sha256="0" * 64), tmp_path / "out" / "x")
    assert tree(tmp_path / "out") == {}


@pytest.mark.parametrize(
    "change", [{"size": 999}, {"size": 1001}, {"sha256": "0" * 64}, {"size": -1}], ids=lambda change: str(change)[:12]
)
def test_damaged_file_does_not_replace_a_good_one(rig: Rig, tmp_path: Path, change: dict) -> None:
    link = rig.with_agent()
    file = dataclasses.replace(rig.frame("0001.png", bytes(1000)), **change)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/0001.png").write_bytes(b"good")
    with pytest.raises(TransferError) as caught:
        fetch(link, file, tmp_path / "out/0001.png")
    assert caught.value.retryable
    assert tree(tmp_path / "out") == {"0001.png": b"good"}
    fetch(link, rig.frame("0001.png", b"whole"), tmp_path / "out/0001.png")
    assert tree(tmp_path / "out") == {"0001.png": b"whole"}


def test_endless_file_does_not_fill_the_disk(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent()
    (rig.root / "frames/0001.png").symlink_to("/dev/zero")
    with pytest.raises(TransferError):
        fetch(link, RemoteFile(name="0001.png", size=1_000_000, sha256="0" * 64), tmp_path / "x")
    assert not (tmp_path / "x.part").exists()


def test_file_that_is_not_there(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=re.escape("0001.png")) as caught:
        fetch(rig.with_agent(), RemoteFile(name="0001.png", size=1, sha256="0" * 64), tmp_path / "x")
    assert "No such file" in caught.value.details[0]


def test_disk_of_this_computer(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent()
    file = rig.frame("0001.png", b"x")
    with pytest.raises(FileNotFoundError):
        fetch(link, file, tmp_path / "none" / "x")
    fetch(link, file, tmp_path / "x")


@pytest.mark.parametrize("distant", [False, True])
def test_cut_connection_leaves_no_half_file(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distant: bool
) -> None:
    far(monkeypatch, distant)
    link = rig.with_agent()
    file = rig.frame("0001.png", bytes(200_000_000))

    def cut() -> None:
        until((tmp_path / "x.part").exists, what="the fetch to begin")
        rig.server.kill_sessions()

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(LinkError):
        fetch(link, file, tmp_path / "x")
    thread.join()
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("distant", [False, True])
def test_large_files_arrive(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distant: bool) -> None:
    far(monkeypatch, distant)
    link = rig.with_agent()
    for n, size in enumerate((8 << 20, (20 << 20) + 12_345)):
        content = os.urandom(size)
        fetch(link, rig.frame(f"{n:04}.exr", content), tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == content
    accepted = rig.server.log.read_text().count("Accepted publickey")
    assert accepted == (4 if distant else 1), "they stay for the next one"


def test_a_large_file_from_afar_is_looked_at_too(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far(monkeypatch)
    link = rig.with_agent()
    file = rig.frame("0001.exr", os.urandom(9 << 20))
    for change in ({"sha256": "0" * 64}, {"size": file.size + 1}):
        with pytest.raises(TransferError):
            fetch(link, dataclasses.replace(file, **change), tmp_path / "x")
    with pytest.raises(MachineError, match="none"):
        fetch(link, dataclasses.replace(file, name="none"), tmp_path / "x")
    assert not list(tmp_path.glob("x*"))
    fetch(link, file, tmp_path / "x")


def test_one_connection_does_it_where_no_other_is_to_be_had(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far(monkeypatch)
    link = rig.with_agent()

    def refuse(**_: object) -> None:
        raise LinkError("too many connections")

    monkeypatch.setattr(link._connection, "_again", refuse)
    content = os.urandom(40 << 20)
    fetch(link, rig.frame("0001.exr", content), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == content
    rig.forget_project()
    push(link, make(tmp_path / "project", {"large": content}))
    assert tree(rig.root / "project") == {"large": content}


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


def test_cancelled_on_several_connections(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far(monkeypatch)
    link = rig.with_agent()
    cancel = CancelToken()
    file = rig.frame("0001.exr", bytes(300_000_000))
    before = threading.active_count()

    def cancel_on_the_way() -> None:
        until(lambda: any(path.stat().st_size > 1_000_000 for path in tmp_path.glob("x*")), what="its beginning")
        cancel.cancel()

    canceller = threading.Thread(target=cancel_on_the_way)
    canceller.start()
    with pytest.raises(Cancelled):
        link.fetch(file, tmp_path / "x", cancel=cancel)
    canceller.join()
    assert not list(tmp_path.glob("x*"))
    link.close()
    until(lambda: threading.active_count() < before, what="no thread to be left behind")


def test_what_was_announced_together_comes_in_one_stream(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent()
    files = [rig.frame(f"{n:04}.png", os.urandom(n * 1000)) for n in range(60)]
    link.expect(files)
    passed_over = {3, 4, 30}
    for n, file in enumerate(files):
        if n not in passed_over:
            fetch(link, file, tmp_path / file.name)
            assert (tmp_path / file.name).read_bytes() == (rig.root / "frames" / file.name).read_bytes()
        if n == 10:  # again, as one that arrived damaged
            fetch(link, file, tmp_path / file.name)
    lost = [rig.frame(f"{n}.png", b"x") for n in range(5)]
    (rig.root / "frames" / "2.png").unlink()
    link.expect(lost)
    for n, file in enumerate(lost):
        if n == 2:
            with pytest.raises(MachineError):
                fetch(link, file, tmp_path / file.name)
        else:
            fetch(link, file, tmp_path / file.name)


def test_events_that_come_at_once_are_told_ahead(rig: Rig) -> None:
    many = [{"event": "frame", "n": n} for n in range(50)]
    link = rig.with_agent(follow=lines(STARTED, *many), end=b"hang")
    told: list[dict] = []
    events = link.events(cancel=CancelToken(), ahead=told.extend)
    while len(told) < 51:
        next(events)
    events.close()
    assert told == [STARTED, *many]


# -- the real agent --------------------------------------------------------------------------------------


def test_open_link_brings_the_real_agent(rig: Rig, tmp_path: Path) -> None:
    rig.booted()
    link = open_link(
        address="127.0.0.1",
        port=rig.server.port,
        user=rig.server.user,
        key_file=rig.server.key.path,
        host_key=rig.server.host_key.public,
        cancel=CancelToken(),
        timeout=10,
    )
    project = tmp_path / "project"
    make(project, {"scene.blend": b"x"})
    push(link, scan_project(project, outputs=[project / "out"], blend=project / "scene.blend"))
    assert link.snapshot() == []
    link.finish()
    assert (rig.root / "collected").exists()
    link.close()
