"""A farm in memory: machines whose agents speak a script, for tests of the runner alone."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cloudrender_addon.backend.assets.manifest import HashedFile, Manifest
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import CleanupError, CloudrenderError, MachineGoneError, TransferError
from cloudrender_addon.backend.farms.base import Machine, MachineRequest, MachineState, MachineStatus, Offer
from cloudrender_addon.backend.farms.link import RemoteFile, RenderPlan
from tests.unit.small_png import png

Script = Callable[[RenderPlan], Iterator[dict[str, Any] | CloudrenderError | None]]


def content(frame: int) -> bytes:
    return png(frame, extra=b"of the fake machine")


def frame_event(frame: int, name: str | None = None) -> dict[str, Any]:
    data = content(frame)
    file = {"name": name or f"{frame:04d}.png", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return {"event": "frame", "frame": frame, "seconds": 1.0, "files": [file]}


def render_all(plan: RenderPlan) -> Iterator[dict[str, Any]]:
    """Do what a healthy agent does."""
    yield {"event": "started", "version": 1}
    yield from map(frame_event, plan.frames)
    yield {"event": "finished", "frames": len(plan.frames), "failed": []}


@dataclass
class FakeFarm:
    """Launches machines that follow the scripts, one script a machine; the last one repeats.

    A script's items: an event, None (heartbeat), or an error to raise from the link; what was said before an
    error is said again on the next link, as the agent's log would be.
    """

    scripts: list[Script]
    launch_error: CloudrenderError | None = None
    release_error: CloudrenderError | None = None
    planned: list[MachineRequest] = field(default_factory=list)
    launched: list[Machine] = field(default_factory=list)
    running: dict[str, RenderPlan | None] = field(default_factory=dict)
    pushes: list[str] = field(default_factory=list)
    have: set[str] = field(default_factory=set)
    logs: dict[str, tuple[list[Any], Iterator[Any]]] = field(default_factory=dict)
    expected: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    keep_error: CloudrenderError | None = None
    adopted: list[str] = field(default_factory=list)
    """Launches whose keys were copied from another job."""
    adopt_error: CloudrenderError | None = None
    begin_error: CloudrenderError | None = None
    push_error: CloudrenderError | None = None
    begun: list[str] = field(default_factory=list)
    """By what names machines were emptied; the same one twice does nothing on a machine."""
    uptime: float | None = None
    """Of every machine, as its agent tells it."""
    extended: dict[str, tuple[int, int]] = field(default_factory=dict)
    on_call: Callable[[str], None] = lambda _name: None
    """Hears what is asked of a kept machine, before it is done."""
    on_launch: Callable[[], None] = lambda: None

    def plan(self, request: MachineRequest) -> Machine:
        self.planned.append(request)
        offers = tuple(
            Offer(
                instance_type=name, vcpus=4, gpu="T4", image_id="ami-1", root_device="/dev/sda1", volume_gb=10,
                machine_usd=0.36, disk_usd=0.0, address_usd=0.0, lifetime_seconds=request.lifetime_seconds,
            )
            for name in request.instance_types
        )  # fmt: skip
        region = request.region or "us-east-1"
        return Machine(request=request, region=region, offers=offers, ssh_user="u", ssh_port=22, host_key="k")

    def launch(self, machine: Machine) -> Machine:
        if self.launch_error:
            raise self.launch_error
        machine = replace(
            machine,
            offers=machine.offers[:1],
            instance_id=f"i-{len(self.launched)}",
            zone=f"{machine.region}a",
            launched_at=time.time(),
        )
        self.launched.append(machine)
        self.running[str(machine.instance_id)] = None
        self.on_launch()
        return machine

    def status(self, machine: Machine) -> MachineStatus:
        up = machine.instance_id in self.running
        return MachineStatus(state=MachineState.RUNNING if up else MachineState.GONE)

    def connect(
        self,
        machine: Machine,
        *,
        cancel: CancelToken,
        deadline: float,
        on_running: Callable[[Machine], None] = lambda _: None,
    ) -> tuple[Machine, FakeLink]:
        cancel.check()
        if machine.instance_id not in self.running:
            raise MachineGoneError("The machine is gone")
        machine = replace(machine, address="127.0.0.1", running_at=machine.running_at or time.time())
        on_running(machine)
        return machine, FakeLink(self, str(machine.instance_id))

    def release(self, machine: Machine) -> tuple[Machine, ...]:
        if self.release_error:
            raise self.release_error
        self.running.pop(str(machine.instance_id), None)
        return (machine,)

    def damages(self, machine: str, name: str) -> bool:
        """Tell whether a file always arrives damaged from a machine."""
        return False

    def login(self, machine: Machine) -> str:
        return f"ssh u@{machine.address}"

    def adopt(self, machine: Machine, *, keys: Path) -> None:
        if self.adopt_error:
            raise self.adopt_error
        self.adopted.append(machine.request.token)

    def disown(self, machine: Machine) -> None:
        self.adopted = [token for token in self.adopted if token != machine.request.token]

    def leftovers(self, job_id: str, *, taken: Collection[str] = (), given: Collection[str] = ()) -> tuple[str, ...]:
        passed_on = {machine.instance_id for machine in self.launched if machine.request.token in given}
        return tuple(name for name in self.running if name not in passed_on)


@dataclass
class FakeLink:
    farm: FakeFarm
    machine: str
    closed: bool = False

    def push(
        self,
        project: Callable[[Callable[[], None]], Manifest],
        *,
        on_sent: Callable[[int, int], None],
        recheck: Callable[[HashedFile], None],
        cancel: CancelToken,
    ) -> None:
        if self.farm.push_error:
            raise self.farm.push_error
        self.farm.pushes.append(self.machine)
        if self.machine not in self.farm.have:
            total = sum(file.size for file in project(cancel.check).files)
            self.farm.have.add(self.machine)
            on_sent(total, total)

    def start(self, plan: RenderPlan) -> float | None:
        if self.farm.running[self.machine] is None:
            self.farm.running[self.machine] = plan
            index = int(self.machine.removeprefix("i-"))
            script = self.farm.scripts[min(index, len(self.farm.scripts) - 1)]
            self.farm.logs[self.machine] = ([], iter(script(plan)))
        return self.farm.uptime

    def events(
        self, *, cancel: CancelToken, ahead: Callable[[list[dict[str, Any]]], None] = lambda _: None
    ) -> Iterator[dict[str, Any] | None]:
        said, rest = self.farm.logs[self.machine]
        ahead(list(said))
        yield from list(said)
        for item in rest:
            cancel.check()
            if isinstance(item, MachineGoneError):
                self.farm.running.pop(self.machine)
            if isinstance(item, CloudrenderError):
                raise item
            if item is not None:
                said.append(item)
            yield item

    def snapshot(self) -> list[dict[str, Any]]:
        return list(self.farm.logs[self.machine][0])

    def expect(self, files: Iterable[RemoteFile]) -> None:
        self.farm.expected.extend(file.name for file in files)

    def fetch(self, file: RemoteFile, destination: Path, *, cancel: CancelToken) -> None:
        if self.farm.damages(self.machine, file.name):
            raise TransferError(f"{file.name} arrived damaged")
        self.farm.fetched.append(file.name)
        destination.write_bytes(content(int("".join(c for c in file.name if c.isdigit()))))

    def finish(self) -> None:
        self.farm.finished.append(self.machine)

    def keep(self, seconds: int) -> None:
        if self.farm.keep_error:
            raise self.farm.keep_error
        self.farm.kept[self.machine] = seconds

    def begin(self, job_id: str) -> None:
        self.farm.on_call("begin")
        self.farm.begun.append(job_id)
        if self.farm.begin_error:
            raise self.farm.begin_error
        self.farm.running[self.machine] = None
        self.farm.logs.pop(self.machine, None)
        self.farm.have.discard(self.machine)

    def extend(self, seconds: int, *, lease_seconds: int) -> None:
        self.farm.on_call("extend")
        self.farm.extended[self.machine] = (seconds, lease_seconds)

    def close(self) -> None:
        self.closed = True


def unclean() -> CleanupError:
    return CleanupError("It is still there", resources=("i-0",), hint="cloudrender clean-up")
