"""A machine with a real sshd for a link to an agent, which is a fake that says what it is told to say."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.assets.hash_cache import HashCache
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.farms import download, upload_round
from cloudrender_addon.backend.farms.agent_link import AgentLink
from cloudrender_addon.backend.farms.link import Link, RemoteFile
from cloudrender_addon.backend.job.packing import Packing
from cloudrender_addon.instance import agent_files
from tests.ssh.sshd_helper import Sshd

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


def fetch(link: Link, file: RemoteFile, destination: Path) -> None:
    link.fetch(file, destination, cancel=CancelToken())
