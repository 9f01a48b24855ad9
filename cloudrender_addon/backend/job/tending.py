# SPDX-License-Identifier: GPL-3.0-or-later
"""Tend one machine: connect, send the project, start the agent, follow it to its end; connect again when it breaks."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator

from ..assets.manifest import Manifest
from ..cancel import CancelToken
from ..clock import now
from ..errors import CloudError, LinkError, MachineError, MachineGoneError
from ..farms.base import Farm, Machine
from ..farms.link import Link, RenderPlan
from ..farms.reconnect import MAX_SHORT_LINKS, SHORT_LINK_SECONDS, UNREACHABLE_SECONDS, connect_again
from . import events as ev
from .follow import Follower
from .ledger import Ledger
from .packing import Packing
from .status import Status

MAX_MOVES = 2
"""How many machines of a job may be left on a recommendation alone."""

_log = logging.getLogger(__name__)


class Tending:
    """Keeps a link to one machine's agent until the agent has finished."""

    def __init__(self, ledger: Ledger, *, farm: Farm, packing: Packing, cancel: CancelToken) -> None:
        self._ledger = ledger
        self._farm = farm
        self._packing = packing
        self._cancel = cancel

    def tend(self, machine: Machine) -> None:
        """Return when the agent has finished and its frames are here.

        Raises `MachineGoneError` when the machine is lost, `LinkError` when it never answered any client at all, and
        what `Follower.follow` raises.
        """
        ledger = self._ledger
        follower = Follower(collector=ledger.collector, report=ledger.report, set_aside=ledger.set_aside)
        try:
            self._tend(machine, follower)
        except MachineGoneError as gone:
            gone.reclaimed = gone.reclaimed or follower.reclaimed or self._was_reclaimed(machine)
            if not gone.reclaimed:
                ledger.suspect(follower.begun)
            raise

    def _tend(self, machine: Machine, follower: Follower) -> None:
        ledger = self._ledger
        if machine.paid_from is None:  # one that was taken over is up
            ledger.enter(Status.BOOTING)
        answered = machine.address is not None  # to a client before this one
        booting = machine.offer.boot_seconds(ledger.spec.settings.boot_minutes)
        patience = UNREACHABLE_SECONDS if answered else booting
        try:
            machine, link = self._farm.connect(
                machine,
                cancel=self._cancel,
                deadline=time.monotonic() + patience,
                on_running=lambda up: None if answered else self._take_step("running", up.running_at or now()),
            )
        except LinkError as silent:
            if not answered:
                raise
            link = self._reconnect(machine, silent, follower)
        _log.info("connected to %s", machine.address)
        ledger.save(machine=machine)
        if not answered:
            self._take_step("answers", now())
        short_links = 0
        while True:
            began = time.monotonic()
            try:
                with contextlib.closing(link):
                    self._converse(machine, link, follower, started_before=answered)
                return
            except LinkError as lost:
                short_links = short_links + 1 if time.monotonic() - began < SHORT_LINK_SECONDS else 0
                if short_links > MAX_SHORT_LINKS:
                    raise MachineGoneError("The connection to the machine keeps breaking") from lost
                link = self._reconnect(machine, lost, follower)

    def _take_step(self, step: str, moment: float) -> None:
        self._ledger.report(ev.StepTaken(at=time.time(), step=step, moment=moment))

    def _reconnect(self, machine: Machine, lost: LinkError, follower: Follower) -> Link:
        """Connect again; after its notice, a machine is not waited for any longer."""
        ledger = self._ledger
        ledger.enter(Status.RECOVERING)
        ledger.say(f"{lost.message}; connecting again")

        def offline() -> None:
            ledger.check_limits()
            ledger.say("This computer seems to be offline; the machine goes on, and so does the waiting")

        gone_by = follower.gone_by
        return connect_again(self._farm, machine, cancel=self._cancel, offline=offline, gone_by=gone_by)[1]

    def _was_reclaimed(self, machine: Machine) -> bool:
        """Ask the cloud why a machine went that did not say so itself."""
        try:
            return self._farm.status(machine).reclaimed
        except CloudError:
            return False  # it may never be known

    def _converse(self, machine: Machine, link: Link, follower: Follower, *, started_before: bool) -> None:
        ledger = self._ledger
        ledger.enter(Status.UPLOADING)
        with _replaced_if_unfit(machine):
            if machine.paid_from is not None and machine.end is not None:  # until now it was only to be kept
                lease_seconds = max(int(ledger.spec.settings.lease_minutes * 60), 1)
                link.extend(max(int(machine.end - now()), 1), lease_seconds=lease_seconds)
            # First the agent: it brings Blender while the project is on its way.
            uptime = link.start(_plan(ledger, machine))
            booted_at = None if uptime is None else now() - uptime
            if not started_before:  # else the agent knows when it was
                self._take_step("agent", now())
            sending = False

            def manifest(busy: Callable[[], None]) -> Manifest:
                nonlocal sending
                sending = True
                return self._packing.manifest(busy)

            link.push(
                manifest,
                on_sent=_in_steps(
                    lambda sent, total: ledger.report(ev.BytesSent(at=time.time(), sent=sent, total=total))
                ),
                recheck=self._packing.recheck,
                cancel=self._cancel,
            )
            if sending:  # else it was there before, and the agent knows since when
                self._take_step("files", now())
        ledger.enter(Status.RENDERING)
        follower.follow(link, booted_at=booted_at, check=ledger.check_limits, cancel=self._cancel)
        if not ledger.spec.settings.keep_minutes:  # else it is told what next when the job ends
            link.finish()


@contextlib.contextmanager
def _replaced_if_unfit(machine: Machine) -> Iterator[None]:
    """Let another machine be rented where one that was taken over does not do: its disk was not made for this job."""
    try:
        yield
    except MachineError as unfit:
        if machine.paid_from is None or type(unfit) is not MachineError:
            raise
        raise MachineGoneError(f"The machine that was kept does not do: {unfit.message}") from unfit


def _in_steps(report: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Pass on a hundred steps of a transfer, not every piece of it."""
    reported = 0

    def on_sent(sent: int, total: int) -> None:
        nonlocal reported
        if sent == total or sent - reported >= total / 100:
            reported = sent
            report(sent, total)

    return on_sent


def _plan(ledger: Ledger, machine: Machine) -> RenderPlan:
    spec = ledger.spec
    missing, suspects = ledger.missing(), ledger.record.suspects
    return RenderPlan(
        job_id=spec.job_id,
        blend=spec.blend,
        frames=tuple(sorted(missing, key=lambda frame: frame in suspects)),  # what may kill a machine comes last
        blender=spec.blender,
        mirror=spec.settings.mirror,
        gpu=machine.offer.gpu is not None,
        autoexec=spec.autoexec,
        move_seconds=int(spec.settings.move_minutes * 60) if _may_move(ledger) else None,
        addons=tuple(addon.module for addon in spec.addons),
    )


def _may_move(ledger: Ledger) -> bool:
    """Tell whether this job's machine may be left because AWS recommends it; nothing need ever befall it.

    The last launch is for a machine that is really taken back. With one type in one zone there is no elsewhere to go.
    """
    launches, settings = ledger.record.launches, ledger.spec.settings
    elsewhere = settings.subnet is None or len(settings.instance_types) > 1
    return elsewhere and launches <= MAX_MOVES and launches + 1 < settings.max_launches
