# SPDX-License-Identifier: GPL-3.0-or-later
"""The farm of one EC2 machine, spot or on-demand, reached over SSH."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...instance import user_data_script
from ..atonce import Answer
from ..aws import instances, inventory, keypairs, network
from ..aws.catalog import machine_type
from ..aws.errors import certainly_refused
from ..aws.images import AUTO, resolve_image
from ..aws.inventory import Failures, Kind, Resource
from ..aws.network import Site
from ..aws.pace import paced
from ..aws.prices import ADDRESS_USD_PER_HOUR, disk_price, machine_price
from ..aws.session import Account
from ..aws.tags import launch_name
from ..aws.user_data import user_data
from ..cancel import CancelToken
from ..errors import CloudError, ConfigError
from ..ssh.keys import create_key, load_key
from .base import Link, Machine, MachineRequest, MachineStatus
from .ec2_keys import JobKeys
from .ec2_reach import look, reach, status_of

_GIB = 1024**3
ROOM_GB = 10
"""GiB beside image and project: Blender's archive and what it unpacks to (2 GB), frames to be fetched, caches."""


@dataclass(frozen=True, kw_only=True)
class Ec2Settings:
    """What a user may set about EC2 machines. `subnet` None is the default network.

    `security_group` is a group of that network which is used as it is; None: one is made for each launch.

    `cleanup_seconds` is how long to wait to see everything gone; `search_seconds` how long to look for a machine
    whose launch was never answered (EC2 is eventually consistent).
    """

    image: str = AUTO
    ssh_user: str = "ubuntu"
    ssh_port: int = 22
    subnet: str | None = None
    security_group: str | None = None
    checkip_url: str = "https://checkip.amazonaws.com"
    cleanup_seconds: float = inventory.END_SECONDS
    search_seconds: float = 10.0


@dataclass
class _Attempt:
    """What this process knows of a launch beyond the record. After a crash it is missing, and only costs time."""

    site: Site
    caller: str | None
    maybe_running: bool = False
    made: list[Resource] = field(default_factory=list)


class Ec2Farm:
    """Rents one machine per request. `keys` is the job's private folder for its SSH keys."""

    def __init__(self, *, account: Account, settings: Ec2Settings, keys: Path) -> None:
        self._account = account
        self._settings = settings
        self._keys = JobKeys(keys)
        self._attempts: dict[str, _Attempt] = {}

    def plan(self, request: MachineRequest) -> Machine:
        """See `Farm.plan`. All questions to AWS that do not need each other's answers are asked at once."""
        account, settings = self._account, self._settings
        region = account.region
        _ = account.ec2  # before the threads, which would only queue for it
        price = Answer(lambda: machine_price(account, request.instance_type, on_demand=request.on_demand))
        place = Answer(self._find_place)
        kind = machine_type(account, request.instance_type, on_demand=request.on_demand)
        image = resolve_image(account, image=settings.image, gpu=kind.gpu)
        machine_usd = price.get()
        site, caller = place.get()
        new = not self._keys.host(request.token).exists()
        host_key = create_key(self._keys.host(request.token), comment=f"cloudrender host {request.token}")
        create_key(self._keys.job, comment=f"cloudrender job {request.job_id}")
        if new:  # a launch of this token can only come from this process
            self._attempts[request.token] = _Attempt(site=site, caller=caller)
        volume_gb = image.size_gb + ROOM_GB + -(-request.disk_bytes // _GIB)
        machine = Machine(
            request=request,
            region=region,
            image_id=image.id,
            root_device=image.root_device,
            volume_gb=volume_gb,
            vcpus=kind.vcpus,
            gpu=kind.gpu,
            machine_usd=machine_usd,
            disk_usd=disk_price(volume_gb),
            address_usd=ADDRESS_USD_PER_HOUR if site.public else 0.0,
            ssh_user=settings.ssh_user,
            ssh_port=settings.ssh_port,
            host_key=host_key.public,
        )
        self._user_data(machine)  # whatever is wrong with it must show before anything is rented
        return machine

    def launch(self, machine: Machine) -> Machine:
        """See `Farm.launch`."""
        account, request = self._account, machine.request
        job_id, token = request.job_id, request.token
        attempt = self._attempts.get(token)
        if attempt is None:
            site, caller = self._find_place()
            attempt = self._attempts[token] = _Attempt(site=site, caller=caller, maybe_running=True)
        text = self._user_data(machine)
        job_key = load_key(self._keys.job)
        key_name = keypairs.import_key(account, public=job_key.public, job_id=job_id, token=token)
        attempt.made.append(Resource(kind=Kind.KEY_PAIR, id=key_name, job_id=job_id))
        given_group = self._settings.security_group
        group_id = given_group or self._make_group(machine, attempt)
        order = instances.Order(
            token=token,
            job_id=job_id,
            instance_type=request.instance_type,
            on_demand=request.on_demand,
            vcpus=machine.vcpus,
            image_id=machine.image_id,
            root_device=machine.root_device,
            volume_gb=machine.volume_gb,
            key_name=key_name,
            group_id=group_id,
            subnet_id=attempt.site.subnet_id,
            user_data=text,
        )
        unasked, attempt.maybe_running = not attempt.maybe_running, True
        try:
            instance = instances.run(account, order)
        except CloudError as error:
            if unasked and certainly_refused(error):
                attempt.maybe_running = False
            raise
        return dataclasses.replace(
            machine,
            group_id=None if given_group else group_id,
            instance_id=instance.id,
            zone=instance.zone,
            launched_at=time.time(),
        )

    def status(self, machine: Machine) -> MachineStatus:
        """See `Farm.status`."""
        return status_of(machine, look(self._account, machine))

    def connect(self, machine: Machine, *, cancel: CancelToken, deadline: float) -> tuple[Machine, Link]:
        """See `Farm.connect`."""
        return reach(
            self._account,
            machine,
            key_file=self._keys.job,
            find_caller=lambda: self._find_site().caller_address(self._settings.checkip_url),
            cancel=cancel,
            deadline=deadline,
        )

    def release(self, machine: Machine) -> None:
        """See `Farm.release`. The keys on this computer go last: until then they open a machine."""
        token, settings = machine.request.token, self._settings
        attempt = self._attempts.get(token)
        doomed = list(attempt.made) if attempt else []
        failures = Failures()
        with failures.noted(machine.instance_id or f"launch {token}"):
            doomed += self._rented(machine)
        with failures.noted(launch_name(token)):
            doomed += inventory.list_ours(self._account, token=token, kinds=set(Kind) - {Kind.INSTANCE})
        with failures.noted():
            inventory.end(self._account, doomed, seconds=settings.cleanup_seconds)
        failures.report()
        if attempt:
            attempt.made.clear()
            attempt.maybe_running = False
        self._keys.forget(token)

    def leftovers(self, job_id: str) -> tuple[str, ...]:
        """See `Farm.leftovers`."""
        return tuple(resource.id for resource in inventory.list_ours(self._account, job_id=job_id))

    def _find_site(self) -> Site:
        return network.find_site(self._account, subnet=self._settings.subnet)

    def _find_place(self) -> tuple[Site, str | None]:
        """Return where machines go and whom to let in: nobody where the user's own group decides that."""
        site, given = self._find_site(), self._settings.security_group
        if given is None:
            return site, site.caller_address(self._settings.checkip_url)
        network.check_group(self._account, group_id=given, site=site)
        return site, None

    def _make_group(self, machine: Machine, attempt: _Attempt) -> str:
        job_id, token = machine.request.job_id, machine.request.token
        group_id = network.make_group(self._account, site=attempt.site, job_id=job_id, token=token)
        attempt.made.append(Resource(kind=Kind.GROUP, id=group_id, job_id=job_id))
        if attempt.caller:
            network.let_in(self._account, group_id=group_id, address=attempt.caller, port=machine.ssh_port)
        return group_id

    def _user_data(self, machine: Machine) -> str:
        request = machine.request
        host_key = load_key(self._keys.host(request.token))
        try:
            script = user_data_script(
                owner=machine.ssh_user,
                lease_seconds=request.lease_seconds,
                lifetime_seconds=request.lifetime_seconds,
            )
        except ValueError as error:
            raise ConfigError(
                f"A machine cannot be started with these settings: {error}",
                hint="Check ssh_user (ubuntu on Ubuntu images) and the time limits",
            ) from error
        return user_data(host_private=host_key.private_text(), host_public=host_key.public, script=script)

    def _rented(self, machine: Machine) -> Iterator[Resource]:
        """Find the machine of a launch; where the answer may have been lost, look until it can be believed."""
        request, attempt = machine.request, self._attempts.get(machine.request.token)
        if machine.instance_id:
            yield Resource(kind=Kind.INSTANCE, id=machine.instance_id, job_id=request.job_id)
        elif attempt is None or attempt.maybe_running:
            deadline = time.monotonic() + self._settings.search_seconds
            for _ in paced(deadline=deadline, first=0.2, longest=1.0):
                if found := instances.find_launched(self._account, token=request.token, job_id=request.job_id):
                    for each in found:
                        yield Resource(kind=Kind.INSTANCE, id=each.id, job_id=request.job_id)
                    return
