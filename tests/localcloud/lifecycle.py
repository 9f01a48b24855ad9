# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a machine as the EC2 API tells it: pending → running → shutting-down → terminated, and why."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable
from typing import Any

from tests.localcloud.machine import Machine

USER = "Client.UserInitiatedShutdown"
INSTANCE = "Client.InstanceInitiatedShutdown"
BAD_KEY = "Client.InvalidKMSKey.InvalidState"
NO_KEY = "Client.InternalError"
RECLAIMED = "Server.SpotInstanceTermination"

_STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
_MESSAGES = {
    USER: "User initiated shutdown",
    INSTANCE: "Instance initiated shutdown",
    RECLAIMED: "Spot instance termination",
    BAD_KEY: "The KMS key provided is in an incorrect state",
    NO_KEY: "Client error on launch",
}
_REQUEST_ENDS = {
    USER: "instance-terminated-by-user",
    INSTANCE: "instance-terminated-by-user",
    RECLAIMED: "instance-terminated-no-capacity",
    BAD_KEY: "instance-terminated-launch-error",
    NO_KEY: "instance-terminated-launch-error",
}


class Lifecycle:
    """Keeps moto's instance and the real machine in step. Every transition runs on a thread of its own.

    `build` makes the machine for an instance; `release` is moto's own termination of one; `admits` says whether the
    client may connect to it.
    """

    def __init__(
        self,
        *,
        build: Callable[[Any], Machine],
        release: Callable[[Any], Any],
        admits: Callable[[Any], bool],
        boot_delay: float,
    ) -> None:
        self._build = build
        self._release = release
        self._admits = admits
        self._boot_delay = boot_delay
        self._closing = threading.Event()
        self._lock = threading.RLock()
        self._instances: dict[str, Any] = {}
        self._threads: list[threading.Thread] = []
        self.machines: list[Machine] = []

    def launch(self, instance: Any, *, fails: str | None = None) -> None:
        """Begin the life of a new instance: pending now, running and booting after the boot delay.

        `fails` is the reason why it ends then instead.
        """
        _set_state(instance, "pending")
        machine = self._build(instance)
        primary = instance.nics[0]
        primary.private_ip_address = machine.order.address
        primary.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": machine.order.address}]
        primary.public_ip = None  # comes with "running"
        with self._lock:
            self._instances[machine.id] = instance
            self.machines.append(machine)
            machine.admit(self._admits(instance))
        self._start(lambda: self._fail(instance, fails) if fails else self._boot(instance, machine))

    def terminate(self, instance: Any, *, reason: str) -> None:
        """End it for good; nothing happens if it is ending or ended already."""
        with self._lock:
            if instance._state.name in ("shutting-down", "terminated"):
                return
            self._release(instance)
            _set_state(instance, "shutting-down")
            _set_reason(instance, reason)
            request = instance.ec2_backend.spot_instance_requests.get(
                getattr(instance, "spot_instance_request_id", None)
            )
            if request:
                request.state, request._status_code = "closed", _REQUEST_ENDS[reason]
        self._start(lambda: self._power_off(instance, "terminated", reason))

    def stop(self, instance: Any, *, reason: str) -> None:
        """End it so that it could be started again: its disk goes on costing money."""
        with self._lock:
            if instance._state.name not in ("pending", "running"):
                return
            _set_state(instance, "stopping")
            _set_reason(instance, reason)
        self._start(lambda: self._power_off(instance, "stopped", reason))

    def pressed(self, machine: Machine, wish: str) -> None:
        """Do what the machine itself asks for through its power shims."""
        instance = self._instances[machine.id]
        if wish != "poweroff":
            return  # a halt or reboot is the machine's own affair: EC2 goes on calling it running
        if instance.instance_initiated_shutdown_behavior == "terminate":
            self.terminate(instance, reason=INSTANCE)
        else:
            self.stop(instance, reason=INSTANCE)

    def machine(self, instance_id: str) -> Machine:
        """Return the machine of an instance."""
        return next(machine for machine in self.machines if machine.id == instance_id)

    def judge_callers(self) -> None:
        """Let the client connect, or not, where the rules or its address have changed."""
        with self._lock:
            for machine in self.machines:
                machine.admit(self._admits(self._instances[machine.id]))

    def warn(self, machine: Machine, *, seconds: float) -> None:
        """Let the metadata service say that the spot machine will be taken away in that many seconds."""
        if machine.imds:
            machine.imds.interruption = {"action": "terminate", "time": _moment(seconds)}
        self.recommend(machine)

    def recommend(self, machine: Machine) -> None:
        """Let the metadata service say that the spot machine is likelier than others to be taken away."""
        if machine.imds and not machine.imds.rebalance:
            machine.imds.rebalance = {"noticeTime": _moment()}

    def reclaim(self, machine: Machine, *, after: float = 0.0) -> None:
        """Take the spot machine away after that many seconds, without another word."""

        def act() -> None:
            if not self._closing.wait(after):
                self.terminate(self._instances[machine.id], reason=RECLAIMED)

        self._start(act)

    def close(self) -> None:
        """End everything, whatever state it is in, and wait for it."""
        self._closing.set()
        for machine in self.machines:
            machine.cut_power()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _boot(self, instance: Any, machine: Machine) -> None:
        if self._closing.wait(self._boot_delay):
            return
        machine.boot()
        with self._lock:
            if instance._state.name == "pending":
                if instance.nics[0].public_ip_auto_assign:
                    instance.nics[0].public_ip = machine.order.address
                _set_state(instance, "running")

    def _fail(self, instance: Any, reason: str) -> None:
        if not self._closing.wait(self._boot_delay):
            self.terminate(instance, reason=reason)

    def _power_off(self, instance: Any, state: str, reason: str) -> None:
        machine = self.machine(instance.id)
        machine.reason = reason
        machine.cut_power()
        _set_state(instance, state)


def _moment(seconds: float = 0.0) -> str:
    """Return the time so many seconds from now as the metadata service writes it."""
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _set_state(instance: Any, name: str) -> None:
    from moto.ec2.models.instances import InstanceState

    instance._state = InstanceState(name, _STATES[name])


def _set_reason(instance: Any, code: str) -> None:
    from moto.ec2.models.instances import StateReason

    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S GMT")
    instance._reason = {USER: f"User initiated ({now})", RECLAIMED: RECLAIMED}.get(code, "")
    instance.state_reason = StateReason(f"{code}: {_MESSAGES[code]}", code)
