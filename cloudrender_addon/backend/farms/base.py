# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam to where machines come from: a `Farm` rents and ends them; `link.py` is the seam to the agent on one.

The runner knows only these two Protocols. `farms/ec2.py` is the farm of one EC2 machine over SSH.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..cancel import CancelToken
from .link import Link

METAL_FACTOR = 2
"""How much longer a bare-metal machine may take to boot: up to 14 minutes were measured, on 77 of several families
(https://gitlab.com/testing-farm/infrastructure/-/merge_requests/1526)."""


@dataclass(frozen=True, kw_only=True)
class MachineRequest:
    """What a job asks of a farm. `token` (≤ 48 characters, [a-z0-9-]) is new for every launch.

    Any of `instance_types` will do; `avoid` are pairs of type and zone that are asked for only if there is nothing
    else. `region` None is the account's own. `disk_bytes` is what the project needs on the machine.
    `lifetime_seconds` is the hard limit after which the machine ends itself, whatever happens; `lease_seconds` how
    long it lives with neither a client nor work.
    `on_demand` asks for a machine that is never taken back, at the full price; else it is a spot machine. `asked_at`
    (epoch seconds) is when the job wanted it, None in older records. `blender` is the series or version that an image
    of the user's own should have on it ("4.2", "4.2.23"), "" if any will do, and in older records.
    """

    job_id: str
    token: str
    instance_types: tuple[str, ...]
    avoid: tuple[tuple[str, str], ...] = ()
    region: str | None = None
    disk_bytes: int
    lifetime_seconds: int
    lease_seconds: int
    on_demand: bool = False
    asked_at: float | None = None
    blender: str = ""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One of the machine types that a launch may get: what it is made of, what it costs, how long it may live.

    Prices are USD per hour: the machine (as bought: spot or on-demand, in the dearest of `zone_usd` until its zone is
    known), its disk of `volume_gb` GiB, its public address. `gpu` is maker and model, None without one. `image_origin`
    is whose image that is: "public", "own" or "given" (see `aws/images.py`); "" in an older record.
    """

    instance_type: str
    vcpus: int
    gpu: str | None
    image_id: str
    root_device: str
    volume_gb: int
    machine_usd: float
    disk_usd: float
    address_usd: float
    lifetime_seconds: int
    zone_usd: dict[str, float] = field(default_factory=dict)
    image_origin: str = ""

    @property
    def hourly_usd(self) -> float:
        """Everything that is billed while such a machine runs, USD per hour."""
        return self.machine_usd + self.disk_usd + self.address_usd

    @property
    def bare_metal(self) -> bool:
        """Whether it is a whole computer without a hypervisor, which tests itself for minutes before it boots."""
        return self.instance_type.partition(".")[2].startswith("metal")

    def boot_seconds(self, minutes: float) -> float:
        """Return how long it may take to boot where a machine with a hypervisor may take so many minutes."""
        return minutes * 60 * (METAL_FACTOR if self.bare_metal else 1)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Everything needed to find, reach and end one rented machine. Kept in the job record; holds no secret.

    `offers` are the types asked for, in the user's order; once launched, only the one that was given. `host_key` is the
    public SSH host key the machine will show ("ssh-ed25519 AAAA…"). `group_id` is the security group made
    for it, None if a given one is used. Times are epoch seconds: it had an address at `running_at`; it was told to end
    itself at `ends_at`, if that is sooner than the end of its lifetime; `paid_from` is since when a job that took it
    over from another pays for it.
    """

    request: MachineRequest
    region: str
    offers: tuple[Offer, ...]
    ssh_user: str
    ssh_port: int
    host_key: str
    group_id: str | None = None
    instance_id: str | None = None
    zone: str | None = None
    address: str | None = None
    launched_at: float | None = None
    running_at: float | None = None
    paid_from: float | None = None
    ends_at: float | None = None

    @property
    def offer(self) -> Offer:
        """The type that was given; before the launch, the first that was asked for."""
        return self.offers[0]

    @property
    def hourly_usd(self) -> float:
        """Everything that is billed while the machine runs, USD per hour."""
        return self.offer.hourly_usd

    @property
    def end(self) -> float | None:
        """When it has ended itself, whatever happens; None if it was never launched."""
        if self.launched_at is None:
            return None
        lifetime = self.launched_at + self.offer.lifetime_seconds
        return lifetime if self.ends_at is None else min(lifetime, self.ends_at)


class MachineState(enum.Enum):
    """What the farm says about a machine."""

    STARTING = "starting"
    RUNNING = "running"
    GONE = "gone"  # ended or ending: it will never answer again


@dataclass(frozen=True, kw_only=True)
class MachineStatus:
    """A state and, where the farm tells one, the reason in plain words, and its `code` ("Server.SpotInstanceShutdown").

    `reclaimed` says that this reason means: the cloud took the machine back.
    """

    state: MachineState
    reason: str = ""
    code: str = ""
    reclaimed: bool = False


class Farm(Protocol):
    """Rents machines and ends them. Every method may be called again after a crash, with the recorded machine."""

    def plan(self, request: MachineRequest) -> Machine:
        """Resolve images, types, prices and keys, changing nothing in the cloud.

        What can be known to prevent the launch of every type asked for is raised here (`CloudError` and its kinds).
        """

    def launch(self, machine: Machine) -> Machine:
        """Rent one machine of any of the offers. Idempotent: the same token never gives a second machine.

        Raises `CapacityError` when none is to be had, its details telling why for each type and zone. On any error,
        what was made stays findable by `release(machine)`.
        """

    def status(self, machine: Machine) -> MachineStatus:
        """Tell how the machine is; GONE also when it was never launched. Raises `CloudError`."""

    def connect(
        self,
        machine: Machine,
        *,
        cancel: CancelToken,
        deadline: float,
        on_running: Callable[[Machine], None] = lambda _: None,
    ) -> tuple[Machine, Link]:
        """Wait until the machine answers as itself and return it (address filled in) with an open link.

        `on_running` is told of the machine when it has an address, which is before it answers. `deadline` is
        `time.monotonic()` seconds. Raises `LinkError` when it passes, `MachineGoneError`, `ConfigError` (no machine
        like this one will start), `HostKeyError` (never retried), `Cancelled`.
        """

    def release(self, machine: Machine) -> tuple[Machine, ...]:
        """End the machine and all that was made for it, and return once it is *seen* gone. Idempotent.

        Returns what is to be paid for: the machine, if it was launched; if it is not known whether it was, what that
        launch gave, as found, with the time of its launch and, if it had ended before, at the latest by when.
        Raises `CleanupError` with the ids that may still cost money. Not interrupted by cancellation.
        """

    def login(self, machine: Machine) -> str:
        """Return what to type into a shell to log in to a machine that was connected to; only its host key is trusted.

        Raises `RecordError`.
        """

    def adopt(self, machine: Machine, *, keys: Path) -> None:
        """Get ready to reach and end a machine that another job rented, whose private keys are in the folder `keys`.

        Changes nothing in the cloud. Raises `RecordError`.
        """

    def disown(self, machine: Machine) -> None:
        """Undo `adopt`: the machine stays the other job's. Never raises."""

    def leftovers(self, job_id: str, *, taken: Collection[str] = (), given: Collection[str] = ()) -> tuple[str, ...]:
        """Ask the cloud, by tag, for ids of anything of this job that still exists.

        So do the launches `taken` over from other jobs belong to it, and those `given` to others do not.
        """
