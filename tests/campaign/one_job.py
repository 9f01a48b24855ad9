# SPDX-License-Identifier: GPL-3.0-or-later
"""One job of the campaign: the user's commands, what befalls them, and a story of it in plain words."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaign.fast_blender import VERSION, Misbehaviour, script
from tests.cloud.command import ROOT, project_in
from tests.localcloud import small_disk
from tests.localcloud.cloud import REGION, Cloud
from tests.localcloud.machine import Machine
from tests.localcloud.spec import FILLABLE_MB

CLIENT = Path(__file__).resolve().parent / "client.py"
HANG_HOURS = 0.006
"""The time limit of a job with a frame that never ends: 22 s."""

_COMMAND_SECONDS = 150.0
"""No command may take longer, whatever happens; far more than any needs on a busy computer."""

_MOMENT_SECONDS = 20.0
_DEATH_SECONDS = 60.0


class Violation(Exception):
    """The product broke a promise."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the user asks for and what kind of day it is. `frames` misbehave as told; `seconds` is for each frame.

    `boot_delay`, `visible_after`, `ssh_delay`: see `Cloud`; with a `small_disk` machines have
    one that can be filled. `max_cost` is in USD. A machine lives `lease_seconds` without work and client,
    and is kept for `keep_seconds` at the end. `beforehand` another one is rendered, whose machine is kept for a while.
    """

    first: int
    count: int
    seconds: float
    misbehaviours: Mapping[int, Misbehaviour] = field(default_factory=dict)
    boot_delay: float = 0.0
    visible_after: float = 0.0
    ssh_delay: float = 0.0
    max_cost: float | None = None
    types: tuple[str, ...] = ("g4dn.xlarge",)
    regions: tuple[str, ...] = (REGION,)
    purchase: str = "spot"
    small_disk: bool = False
    lease_seconds: float = 9.0
    keep_seconds: float = 0.0
    beforehand: bool = False

    @property
    def frames(self) -> range:
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, kw_only=True)
class Death:
    """When a client is killed (SIGKILL). `kind` is "call", "answer" (the `value`-th call of the API), "before",
    "after" (a status), "frames" (here on disk) or "seconds"."""

    kind: str
    value: Any

    def __str__(self) -> str:
        return {
            "call": f"at its call {self.value} of the API, before it is done",
            "answer": f"at its call {self.value} of the API, done but not answered",
            "before": f"just before it notes {self.value!r}",
            "after": f"as soon as it has noted {self.value!r}",
            "frames": f"once {self.value} frames are here",
            "seconds": f"after {self.value} s",
        }[self.kind]


@dataclass
class Client:
    """One run of the command."""

    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def said(self) -> str:
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in (self.out, self.err))

    def wait(self, *, seconds: float = _COMMAND_SECONDS) -> int:
        """Return the exit code. Raises `Violation` when it never ends."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Violation(f"`{' '.join(self.words)}` did not end within {seconds:g} s") from None

    def ended(self) -> dict[str, Any] | None:
        """Return its job_ended event, if it said one."""
        for line in reversed(self.out.read_text(encoding="utf-8").splitlines()):
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and event.get("event") == "job_ended":
                    return event
        return None


@dataclass
class OneJob:
    """A job in an account of its own, with a home of its own. `excuses` are what may make it end in an error."""

    order: Order
    folder: Path
    cloud: Cloud
    project: Path
    began: float = field(default_factory=time.monotonic)
    story: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    excuses: set[str] = field(default_factory=set)
    clients: list[Client] = field(default_factory=list)
    driver: Client | None = None
    clock: float = 0.0
    """How far this computer's clock has been set, seconds: every later client sees it too."""

    # -- telling -------------------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        self.story.append(f"{time.monotonic() - self.began:6.1f} s  {text}")

    def inject(self, kind: str, text: str) -> None:
        """Count and tell a fault."""
        self.faults[kind] += 1
        self.tell(text)

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def out(self) -> Path:
        return self.project / "out"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def records(self) -> dict[str, dict[str, Any]]:
        """Return every job record of this computer, oldest first."""
        paths = sorted(self.home.glob("jobs/*/record.json"))
        return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}

    @property
    def job(self) -> str | None:
        """The name of the job, once it has one; other renders go into other folders."""
        out = str(self.out.resolve())
        return next((name for name, record in self.records().items() if record["spec"]["output"] == out), None)

    def here(self) -> int:
        return len(list(self.out.glob("*.png")))

    def newest_machine(self) -> Machine | None:
        return self.cloud.machines[-1] if self.cloud.machines else None

    def await_(self, condition: Callable[[], object], *, seconds: float = _MOMENT_SECONDS) -> bool:
        """Wait for a condition, no longer than anybody works at the job; tell whether it came true."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline or not self.under_way():
                return bool(condition())
            time.sleep(0.01)
        return True

    def under_way(self) -> bool:
        """Whether the driver is at work or, without one, a machine."""
        if self.driver:
            return self.driver.alive
        return any(machine.ended_at is None for machine in self.cloud.machines)

    # -- the user ------------------------------------------------------------------------------------------

    def start(self, *words: str, clock: float | None = None, death: Death | None = None) -> Client:
        """Start the command; with a death, return when it is dead (or ended by itself before)."""
        env = self._env()
        if clock:
            self.inject("clock jump", f"the clock of this computer is about to be set by {clock:+.0f} s")
            env["CAMPAIGN_CLOCK"] = f"{self.clock + clock}@{1.5 if not self.clock else 0}"
            self.clock += clock
        elif self.clock:
            env["CAMPAIGN_CLOCK"] = f"{self.clock}@0"
        if death and death.kind in ("before", "after"):
            env["CAMPAIGN_KILL_AT"] = f"{death.kind}:{death.value}"
        number = len(self.clients)
        out, err = self.folder / f"{number}.out", self.folder / f"{number}.err"
        self.tell("$ cloudrender " + " ".join(words))
        if death and death.kind in ("call", "answer"):
            self.cloud.faults.at_call(
                "*", lambda: self._kill(client), nth=int(death.value), answered=death.kind == "answer"
            )
        with out.open("wb") as o, err.open("wb") as e:
            process = subprocess.Popen(
                [sys.executable, str(CLIENT), *words],
                cwd=self.project,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=o,
                stderr=e,
            )
        client = Client(words, process, out, err)
        self.clients.append(client)
        if death:
            self.die(client, death)
        return client

    def run(self, *words: str) -> Client:
        """Run the command to its end."""
        client = self.start(*words)
        self.tell(f"  exit code {client.wait()}")
        return client

    def _kill(self, client: Client) -> bool:
        alive = client.alive
        client.process.kill()
        client.process.wait()
        return alive

    def kill_at(self, action: str, *, answered: bool) -> Callable[[], bool]:
        """Kill the newest client at its next call of `action`; return what tells whether it came to that."""
        reached: list[bool] = []

        def act() -> bool:
            reached.append(self._kill(self.clients[-1]))
            return True

        self.cloud.faults.at_call(action, act, answered=answered)
        return lambda: bool(reached)

    def die(self, client: Client, death: Death) -> None:
        """Wait for the moment of death and kill the client, unless it ends by itself before."""
        self.driver = client
        if death.kind == "frames":
            self.await_(lambda: self.here() >= death.value)
        elif death.kind == "seconds":
            self.await_(lambda: False, seconds=float(death.value))
        else:
            self.await_(lambda: not client.alive, seconds=_DEATH_SECONDS)
        if self._kill(client) and death.kind not in ("frames", "seconds"):
            self.inject("client killed", f"the client, to be killed {death}, is killed before that")
        elif client.process.returncode == -signal.SIGKILL:
            self.inject("client killed", f"the client is killed {death}")
        self.driver = None

    def _env(self) -> dict[str, str]:
        hangs = Misbehaviour.HANG in self.order.misbehaviours.values()
        settings = {
            "CLOUDRENDER_HOME": str(self.home),
            "CLOUDRENDER_LEASE_MINUTES": str(self.order.lease_seconds / 60),
            "CLOUDRENDER_BOOT_MINUTES": "0.25",
            "CLOUDRENDER_MAX_HOURS": str(HANG_HOURS if hangs else 1.0),
            "CLOUDRENDER_PURCHASE": self.order.purchase,
            "CLOUDRENDER_INSTANCE_TYPE": ",".join(self.order.types),
            "CLOUDRENDER_REGION": ",".join(self.order.regions),
            "CLOUDRENDER_KEEP_MINUTES": str(self.order.keep_seconds / 60),
            "CLOUDRENDER_WAIT_MINUTES": "0.15",
        }
        if self.order.max_cost:
            settings["CLOUDRENDER_MAX_COST"] = str(self.order.max_cost)
        return {**self.cloud.environ(), **settings, "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def one_job(order: Order, folder: Path) -> Iterator[OneJob]:
    """Make the account, the computer and the project; end all that is left of them."""
    with (
        Cloud(boot_delay=order.boot_delay, visible_after=order.visible_after, blenders={VERSION: script()}) as cloud,
        project_in(folder) as project,
    ):
        cloud.ssh_delay = order.ssh_delay
        if order.small_disk and small_disk.available():
            cloud.disk_mb = FILLABLE_MB
        plan = {"seconds": order.seconds, "frames": {str(frame): how for frame, how in order.misbehaviours.items()}}
        (project.path / "renderer.json").write_text(json.dumps(plan), encoding="utf-8")
        job = OneJob(order=order, folder=folder, cloud=cloud, project=project.path)
        try:
            yield job
        finally:
            for client in job.clients:
                client.process.kill()
                client.process.wait()
