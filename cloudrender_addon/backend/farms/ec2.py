# SPDX-License-Identifier: GPL-3.0-or-later
"""The farm of one EC2 machine, spot or on-demand, of any of several types and zones, reached over SSH."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..atonce import Answer, all_at_once
from ..aws import fleet, inventory, keypairs, network
from ..aws.disk_keys import DEFAULT_KEY, Encryption
from ..aws.errors import certainly_refused
from ..aws.failures import Failures
from ..aws.images import AUTO
from ..aws.inventory import LAUNCHED, Kind, Resource
from ..aws.network import Site
from ..aws.session import Account
from ..aws.tags import launch_name
from ..cancel import CancelToken
from ..clock import now
from ..errors import CloudError
from ..ssh.keys import create_key, load_key
from .base import Machine, MachineRequest, MachineStatus
from .ec2_keys import JobKeys
from .ec2_login import login_command
from .ec2_offers import find_offers
from .ec2_order import boot_scripts, make_order
from .ec2_reach import look, reach, status_of
from .ec2_unheard import find_unheard
from .link import Link


@dataclass(frozen=True, kw_only=True)
class Ec2Settings:
    """What a user may set about EC2 machines. `subnet` None is the default network; no `regions`: the account's own.

    `encryption` is that of the disks of its machines.

    `security_group` is a group of that network which is used as it is; None: one is made for each launch.

    `cleanup_seconds` is how long to wait to see everything gone; `search_seconds` how long to look for a machine
    whose launch was never answered (EC2 is eventually consistent).
    """

    image: str = AUTO
    ssh_user: str = "ubuntu"
    ssh_port: int = 22
    regions: tuple[str, ...] = ()
    subnet: str | None = None
    security_group: str | None = None
    checkip_url: str = "https://checkip.amazonaws.com"
    encryption: Encryption = DEFAULT_KEY
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
        self._accounts: dict[str | None, Account] = {}
        self._lock = threading.Lock()

    def plan(self, request: MachineRequest) -> Machine:
        """See `Farm.plan`. All questions to AWS that do not need each other's answers are asked at once."""
        account, settings = self._in(request.region), self._settings
        region = account.region
        _ = account.ec2  # before the threads, which would only queue for it
        site = Answer(lambda: self._find_site(region))
        caller = Answer(lambda: self._caller_at(site.get(), region))
        offers = find_offers(account, request, image=settings.image, site=site)
        host_key = self._make_keys(request, site=site.get(), caller=caller.get())
        machine = Machine(
            request=request,
            region=region,
            offers=offers,
            ssh_user=settings.ssh_user,
            ssh_port=settings.ssh_port,
            host_key=host_key,
        )
        boot_scripts(machine, host_key=self._keys.host(request.token))  # a fault must show before anything is rented
        return machine

    def launch(self, machine: Machine) -> Machine:
        """See `Farm.launch`."""
        account, request = self._in(machine.region), machine.request
        job_id, token = request.job_id, request.token
        attempt = self._attempts.get(token)
        if attempt is None:
            site = self._find_site(machine.region)
            caller = self._caller_at(site, machine.region)
            attempt = self._attempts[token] = _Attempt(site=site, caller=caller, maybe_running=True)
        boot = boot_scripts(machine, host_key=self._keys.host(token))
        job_key = load_key(self._keys.job)
        attempt.made.append(Resource(kind=Kind.KEY_PAIR, id=launch_name(token), job_id=job_id))
        keypairs.import_key(account, public=job_key.public, job_id=job_id, token=token)
        given_group = self._settings.security_group
        group_id = given_group or self._make_group(machine, attempt)
        order = make_order(
            machine,
            subnets=attempt.site.subnets,
            group_id=group_id,
            boot=boot,
            encryption=self._settings.encryption,
        )
        attempt.made += [Resource(kind=Kind.TEMPLATE, id=each.template_name, job_id=job_id) for each in order.builds]
        unasked, attempt.maybe_running = not attempt.maybe_running, True
        try:
            rented = fleet.rent(account, order)
        except CloudError as error:
            if unasked and certainly_refused(error):
                attempt.maybe_running = False
            raise
        offer = next(each for each in machine.offers if each.instance_type == rented.instance_type)
        offer = dataclasses.replace(offer, machine_usd=offer.zone_usd.get(rented.zone or "", offer.machine_usd))
        return dataclasses.replace(
            machine,
            offers=(offer,),
            group_id=None if given_group else group_id,
            instance_id=rented.id,
            zone=rented.zone,
            launched_at=now(),
        )

    def status(self, machine: Machine) -> MachineStatus:
        """See `Farm.status`."""
        return status_of(machine, look(self._in(machine.region), machine))

    def connect(
        self,
        machine: Machine,
        *,
        cancel: CancelToken,
        deadline: float,
        on_running: Callable[[Machine], None] = lambda _: None,
    ) -> tuple[Machine, Link]:
        """See `Farm.connect`."""
        return reach(
            self._in(machine.region),
            machine,
            key_file=self._keys.job,
            find_caller=lambda: self._find_site(machine.region).caller_address(self._settings.checkip_url),
            cancel=cancel,
            deadline=deadline,
            on_running=on_running,
        )

    def release(self, machine: Machine) -> tuple[Machine, ...]:
        """See `Farm.release`. The keys on this computer go last: until then they open a machine."""
        account, token = self._in(machine.region), machine.request.token
        attempt = self._attempts.get(token)
        doomed = list(attempt.made) if attempt else []
        rented: tuple[Machine, ...] = ()
        failures = Failures()
        with failures.noted(machine.instance_id or f"launch {token}"):
            rented = self._rented(machine)
            doomed += [
                Resource(kind=Kind.INSTANCE, id=each.instance_id, job_id=each.request.job_id)
                for each in rented
                if each.instance_id
            ]
        with failures.noted(launch_name(token)):
            # Where one was given, a second one as well, should there ever be any; else it was searched for above.
            kinds = LAUNCHED if machine.instance_id else LAUNCHED - {Kind.INSTANCE}
            doomed += inventory.list_ours(account, token=token, kinds=kinds)
        with failures.noted():
            inventory.end(account, doomed, seconds=self._settings.cleanup_seconds)
        failures.report()
        if attempt:
            attempt.made.clear()
            attempt.maybe_running = False
        self._keys.forget(token)
        return rented

    def login(self, machine: Machine) -> str:
        """See `Farm.login`."""
        return login_command(machine, key=self._keys.job, known_hosts=self._keys.known_hosts)

    def adopt(self, machine: Machine, *, keys: Path) -> None:
        """See `Farm.adopt`."""
        self._keys.adopt(machine.request.token, source=JobKeys(keys))

    def disown(self, machine: Machine) -> None:
        """See `Farm.disown`."""
        self._keys.forget(machine.request.token)

    def leftovers(self, job_id: str, *, taken: Collection[str] = (), given: Collection[str] = ()) -> tuple[str, ...]:
        """See `Farm.leftovers`. Looks in every region that the job may have used."""
        regions = self._settings.regions or (self._account.region,)
        ours = partial(inventory.list_ours, kinds=LAUNCHED)
        looks = [partial(ours, self._in(region), job_id=job_id) for region in regions]
        looks += [partial(ours, self._in(region), token=token) for region in regions for token in taken]
        found = {each.id: each for resources in all_at_once(looks) for each in resources}
        return tuple(each.id for each in found.values() if each.token not in given)

    def _in(self, region: str | None) -> Account:
        """Return the account in that region, whose clients are slow to make: once each."""
        with self._lock:
            if region not in self._accounts:
                self._accounts[region] = self._account.at(region)
            return self._accounts[region]

    def _find_site(self, region: str) -> Site:
        return network.find_site(self._in(region), subnet=self._settings.subnet)

    def _caller_at(self, site: Site, region: str) -> str | None:
        """Return whom to let in there: nobody where the user's own group decides that."""
        given = self._settings.security_group
        if given is None:
            return site.caller_address(self._settings.checkip_url)
        network.check_group(self._in(region), group_id=given, site=site)
        return None

    def _make_keys(self, request: MachineRequest, *, site: Site, caller: str | None) -> str:
        """Make the keys of a launch on this computer, if they are not there yet; return the public host key."""
        new = not self._keys.host(request.token).exists()
        host_key = create_key(self._keys.host(request.token), comment=f"cloudrender host {request.token}")
        create_key(self._keys.job, comment=f"cloudrender job {request.job_id}")
        if new:  # a launch of this token can only come from this process
            self._attempts[request.token] = _Attempt(site=site, caller=caller)
        return host_key.public

    def _make_group(self, machine: Machine, attempt: _Attempt) -> str:
        job_id, token = machine.request.job_id, machine.request.token
        account = self._in(machine.region)
        group_id = network.make_group(account, site=attempt.site, job_id=job_id, token=token)
        attempt.made.append(Resource(kind=Kind.GROUP, id=group_id, job_id=job_id))
        if attempt.caller:
            network.let_in(account, group_id=group_id, address=attempt.caller, port=machine.ssh_port)
        return group_id

    def _rented(self, machine: Machine) -> tuple[Machine, ...]:
        """Return the machine of a launch, as Farm.release does; where its answer may have been lost, look for it."""
        attempt = self._attempts.get(machine.request.token)
        if machine.instance_id:
            return (machine,)
        if attempt and not attempt.maybe_running:
            return ()
        return find_unheard(self._in(machine.region), machine, seconds=self._settings.search_seconds)
