# SPDX-License-Identifier: GPL-3.0-or-later
"""What Check Setup looks at: each look finds out one thing a job needs, and keeps it for those that build on it.

Every look raises a `CloudrenderError` where a render would fail. The looks at rights and quotas are in
`check_limits.py`.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..aws.catalog import MachineType, machine_type
from ..aws.identity import who
from ..aws.images import AUTO, Image, resolve_image
from ..aws.ingress import lets_in
from ..aws.network import INTO_PRIVATE, Site, check_group, find_site
from ..aws.prices import ADDRESS_USD_PER_HOUR, disk_price, machine_price
from ..aws.session import Account
from ..errors import CloudError, CloudrenderError, ConfigError, NotOfferedError, RecordError, UnreachableError
from ..settings import Settings
from ..ssh.keys import create_key
from .ec2_offers import ROOM_GB
from .quota import purchases


@dataclass
class Setup:
    """What is checked, and what the looks have found so far, by machine type.

    `purchases`: on-demand or not, in order of choice.
    """

    account: Account
    settings: Settings
    site: Site | None = None
    kinds: dict[str, MachineType] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)

    @property
    def purchases(self) -> tuple[bool, ...]:
        return purchases(self.settings)


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What a look found. With a `hint` it is a warning: a render may work, but not as one would like."""

    text: str
    hint: str = ""


def of_each_type(
    look: Callable[[Setup, str], Remark], *, among: Callable[[Setup], Iterable[str]]
) -> Callable[[Setup], Remark]:
    """Look at several machine types and speak of all: as any of them will do, one that fails is a warning.

    One that no machine could be made of (`ConfigError`) is an error, as it is when a job is started with it. `among`
    gives the types that earlier looks have left.
    """

    def looks(setup: Setup) -> Remark:
        texts: list[str] = []
        hints: list[str] = []
        errors: list[CloudrenderError] = []
        for name in tuple(among(setup)):
            try:
                remark = look(setup, name)
            except ConfigError:
                raise
            except CloudrenderError as error:
                errors.append(error)
                texts.append(error.message)
                hints.append(error.hint)
            else:
                texts.append(remark.text)
                hints.append(remark.hint)
        if len(errors) == len(texts):
            raise errors[0]
        return Remark(text="; ".join(dict.fromkeys(texts)), hint=next(filter(None, hints), ""))

    return looks


def credentials(setup: Setup) -> Remark:
    """Who calls, in which account and region."""
    identity, profile = who(setup.account), setup.account.profile
    text = f"Account {identity.account}, {identity.name}, in {setup.account.region}"
    if profile:
        text += f" (profile {profile})"
    if not identity.root:
        return Remark(text=text)
    hint = "These are the keys to your whole AWS account: make a user for Cloudrender alone, and delete them"
    return Remark(text=text, hint=hint)


def network(setup: Setup) -> Remark:
    """Where the machine would stand, and whether this computer gets in there."""
    settings = setup.settings
    site = setup.site = find_site(setup.account, subnet=settings.subnet)
    place = f"Subnet {site.subnet_id}" if site.subnet_id else "Default network"
    text = f"{place} in {site.vpc_id}"
    if settings.security_group:
        check_group(setup.account, group_id=settings.security_group, site=site)
        return _given_group(setup, site, settings.security_group, text)
    address = site.caller_address(settings.checkip_url)
    text = f"{text}; this computer comes from {address}{'' if site.public else ', privately'}"
    # Nobody but the network's owner knows whether the usual way leads in there, too: a warning.
    return Remark(text=text, hint=f"No VPN seems to be up: {INTO_PRIVATE}" if site.cut_off else "")


def _given_group(setup: Setup, site: Site, group: str, text: str) -> Remark:
    """Judge a group of the user's own, whose rules a job does not touch."""
    port = setup.settings.ssh_port
    try:
        address = site.caller_address(setup.settings.checkip_url)
    except UnreachableError as error:  # such a job does not need to know it
        return Remark(text=f"{text}; whether {group} lets this computer in is not known", hint=error.hint)
    inside = lets_in(setup.account, group, address=address, port=port)
    if inside is None:
        hint = f"Its rules name other groups or lists: see that they let {address} in at TCP port {port}"
        return Remark(text=f"{text}; whether {group} lets {address} in is not known", hint=hint)
    if not inside:
        raise ConfigError(
            f"The security group {group} does not let this computer in",
            hint=f"Add an inbound rule to it: TCP port {port} from {address}/32; or leave "
            "Security Group (--security-group) empty, then each job makes its own",
        )
    return Remark(text=f"{text}; {group} lets {address} in")


def kind(setup: Setup, name: str) -> Remark:
    """Whether the machine type exists, runs Blender, and is sold as the user wants to buy it."""
    unsold: list[NotOfferedError] = []
    for on_demand in setup.purchases:
        try:
            setup.kinds[name] = machine_type(setup.account, name, on_demand=on_demand)
        except NotOfferedError as error:
            unsold.append(error)
    if name not in setup.kinds:
        raise unsold[0]
    text = f"{name}: {setup.kinds[name].vcpus} vCPUs, {setup.kinds[name].gpu or 'no GPU'}"
    if unsold:
        return Remark(text=f"{text}. {unsold[0].message}", hint=unsold[0].hint)
    return Remark(text=text)


def image(setup: Setup, name: str) -> Remark:
    """Whether the machine image exists and fits the machine."""
    chosen, gpu = setup.settings.image, setup.kinds[name].gpu
    fitting = setup.images[name] = resolve_image(setup.account, image=chosen, gpu=gpu)
    text = f"{fitting.id}, {fitting.size_gb} GB"
    if chosen == AUTO:
        public = (
            "Ubuntu" if gpu is None else f"Ubuntu {'with' if fitting.brings_driver else 'that gets'} NVIDIA drivers"
        )
        what = "made by you" if fitting.origin == "own" else public
        text = f"Automatic: {what} ({text})"
    return Remark(text=text)


def key(setup: Setup) -> Remark:
    """Whether an SSH key can be written where those of jobs are, for nobody else to read."""
    jobs = setup.settings.home / "jobs"
    try:
        jobs.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".check-", dir=jobs))  # for the user alone, as a job's folder
    except OSError as error:
        raise RecordError(
            f"The folder for jobs, {jobs}, cannot be written to ({error.strerror})",
            hint="Make room on that disk, or set another folder: CLOUDRENDER_HOME",
        ) from error
    try:
        path = create_key(folder / "job_key", comment="cloudrender check-setup").path
        # Windows has no such bits: there the user's own folders are closed to others by what they inherit.
        open_to_others = os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if open_to_others:
        hint = "Set a folder on a disk that knows users: CLOUDRENDER_HOME"
        return Remark(text=f"Other users of this computer can read the keys in {jobs}", hint=hint)
    return Remark(text=f"A key for each job can be kept in {jobs}")


def price(setup: Setup, name: str) -> Remark:
    """What an hour costs now, all in all."""
    account = setup.account
    prices, unknown = {}, []
    for on_demand in setup.purchases:
        purchase = "on-demand" if on_demand else "spot"
        try:
            prices[purchase] = machine_price(account, name, on_demand=on_demand)
        except CloudError as error:
            unknown.append(error)
    if not prices:
        raise unknown[0]
    disk = disk_price(setup.images[name].disk_gb + ROOM_GB)
    address = ADDRESS_USD_PER_HOUR if setup.site is None or setup.site.public else 0.0
    text = f"{name}: " if len(setup.settings.instance_types) > 1 else ""
    text += " or ".join(f"${usd + disk + address:.3f} an hour {purchase}" for purchase, usd in prices.items())
    text += f" (of which disk ${disk:.3f}" + (f" and address ${address:.3f})" if address else ")")
    if unknown:
        return Remark(text=f"{text}. {unknown[0].message}", hint=unknown[0].hint)
    return Remark(text=text)
