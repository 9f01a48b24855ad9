# SPDX-License-Identifier: GPL-3.0-or-later
"""From "launched" to "it answers": how a fresh EC2 machine is waited for, and how its end is told from its silence."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from .. import clock
from ..aws import instances, network
from ..aws.disk_keys import spot_grant
from ..aws.instances import Instance
from ..aws.network import INTO_PRIVATE
from ..aws.pace import paced
from ..aws.session import Account
from ..cancel import CancelToken
from ..errors import CloudError, ConfigError, LinkError, MachineGoneError
from .agent_link import open_link
from .base import Machine, MachineState, MachineStatus
from .link import Link

_OPEN_SECONDS = 10.0  # for one try to connect
_LOOK_EVERY = 3.0  # while the machine does not answer: is it still there?
_MOVED_EVERY = 15.0  # … and has this computer another address by now?
_NEW_SECONDS = 60.0  # so long after its launch a machine that EC2 does not know may be yet to appear

_STATES = {"pending": MachineState.STARTING, "running": MachineState.RUNNING}


def look(account: Account, machine: Machine) -> Instance | None:
    """Return the machine as EC2 describes it, None when EC2 does not know it. Raises `CloudError`."""
    if machine.instance_id:
        return instances.describe(account, machine.instance_id)
    request = machine.request
    found = instances.find_launched(account, token=request.token, job_id=request.job_id)
    return found[0] if found else None


def status_of(machine: Machine, instance: Instance | None) -> MachineStatus:
    """Say what a look at the machine means. EC2 may not know a new machine yet: that is STARTING, not GONE."""
    if instance is None:
        new = clock.now() - (machine.launched_at or 0.0) < _NEW_SECONDS
        return MachineStatus(state=MachineState.STARTING if new else MachineState.GONE)
    return MachineStatus(
        state=_STATES.get(instance.state, MachineState.GONE),
        reason=instances.explain(instance.reason),
        code=instance.reason,
        reclaimed=instances.reclaimed(instance.reason),
    )


def reach(
    account: Account,
    machine: Machine,
    *,
    key_file: Path,
    find_caller: Callable[[], str],
    cancel: CancelToken,
    deadline: float,
    on_running: Callable[[Machine], None] = lambda _: None,
) -> tuple[Machine, Link]:
    """Wait until the machine answers; see `Farm.connect`. "Connection refused" while it boots is normal.

    `find_caller` tells this computer's address as the machine sees it. Another one than at the launch (a laptop
    has changed networks) is let in as well.
    """
    started = time.monotonic()
    machine, address = _wait_for_address(account, machine, cancel=cancel, deadline=deadline)
    on_running(machine)
    look_at, moved_at = time.monotonic() + _LOOK_EVERY, time.monotonic() + _MOVED_EVERY
    for last in paced(deadline=deadline, first=0.2, longest=1.0, sleep=cancel.sleep):
        try:
            link = open_link(
                address=address,
                port=machine.ssh_port,
                user=machine.ssh_user,
                key_file=key_file,
                host_key=machine.host_key,
                cancel=cancel,
                timeout=min(_OPEN_SECONDS, max(1.0, deadline - time.monotonic())),
            )
        except LinkError as error:
            if last:
                raise _silent(machine, since=started, why=error.message, refused=error.refused) from error
        else:
            return machine, link
        now = time.monotonic()
        # Errors of the cloud are no news here: that the machine does not answer says more.
        if now >= look_at:
            look_at = now + _LOOK_EVERY
            with contextlib.suppress(CloudError):
                _look_alive(account, machine)
        if now >= moved_at and machine.group_id:
            moved_at = now + _MOVED_EVERY
            with contextlib.suppress(CloudError):
                network.let_in(account, group_id=machine.group_id, address=find_caller(), port=machine.ssh_port)
    raise AssertionError("the last turn returns or raises")


def _wait_for_address(
    account: Account, machine: Machine, *, cancel: CancelToken, deadline: float
) -> tuple[Machine, str]:
    started = time.monotonic()
    why = "EC2 has given it no address yet"
    for _ in paced(deadline=deadline, first=0.3, longest=2.0, sleep=cancel.sleep):
        try:
            instance = _look_alive(account, machine)
        except CloudError as error:
            if not error.retryable:
                raise
            why = error.message
            continue
        # Where no public address is paid for there is none: the machine is reached from inside the network.
        private = instance.private_address if instance and machine.offer.address_usd == 0.0 else None
        if instance and (address := instance.public_address or private):
            return dataclasses.replace(
                machine,
                instance_id=instance.id,
                zone=instance.zone,
                address=address,
                running_at=machine.running_at or clock.now(),
            ), address
    raise _silent(machine, since=started, why=why)


def _look_alive(account: Account, machine: Machine) -> Instance | None:
    """Return the machine, None while EC2 does not know it yet.

    Raises `MachineGoneError`, `ConfigError` when the next machine would end likewise, `CloudError`.
    """
    instance = look(account, machine)
    status = status_of(machine, instance)
    if status.state is not MachineState.GONE:
        return instance
    what = f"The machine {machine.instance_id or ''} no longer exists: {status.reason or 'no reason was given'}"
    if hint := _remedy(account, machine, status.code):
        raise ConfigError(what, hint=hint, details=(status.code,))
    raise MachineGoneError(
        what,
        hint="Another machine can take over: finished frames are kept",
        details=(status.code,) if status.code else (),
        reclaimed=status.reclaimed,
    )


def _remedy(account: Account, machine: Machine, code: str) -> str:
    """Return what to do where every further machine would end likewise, "" where it would not."""
    parts = [instances.remedy(code)]
    if not parts[0]:
        return ""
    from_public = machine.offer.image_origin == "public"
    if code == instances.NO_KEY_RIGHT and not machine.request.on_demand and not from_public:
        grant = spot_grant(account, machine.offer.image_id)
        parts.insert(
            0, f"Where Amazon's Spot role may not use the key yet, an administrator of it runs once: `{grant}`"
        )
    if not from_public:
        parts.append("Or begin with AWS's image: set Image to public (`--image public`)")
    return ". ".join(parts)


def _silent(machine: Machine, *, since: float, why: str, refused: bool = False) -> LinkError:
    if machine.offer.address_usd:
        hint = f"Check that this network lets TCP connections out to port {machine.ssh_port}; then try again"
    else:
        hint = f"It has only a private address: {INTO_PRIVATE}"
    return LinkError(
        f"The machine {machine.instance_id or ''} did not answer within {time.monotonic() - since:.0f} s: {why}",
        hint=hint,
        refused=refused,
    )
