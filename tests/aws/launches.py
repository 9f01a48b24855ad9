# SPDX-License-Identifier: GPL-3.0-or-later
"""Short ways to a launch, for the tests of what AWS is asked for and of what comes of it."""

from __future__ import annotations

from cloudrender_addon.backend.aws import fleet, keypairs, network
from cloudrender_addon.backend.aws.fleet import Order, Rented
from cloudrender_addon.backend.aws.images import NVIDIA_PARAMETER
from cloudrender_addon.backend.aws.templates import Build
from tests.aws.aws_stage import MACHINE, Stage

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH8hUZ2oZcdTv2VcVbMOTSfPkg5RqFaUiRdB3ZbCvmXy"


def order(
    aws: Stage,
    *,
    launch: str = "t1",
    types: tuple[str, ...] = (MACHINE,),
    on_demand: bool = False,
    avoid: frozenset[tuple[str, str]] = frozenset(),
) -> Order:
    """Return an order in the default network, its key and group made."""
    account = aws.account()
    site = network.find_site(account, subnet=None)
    key_name = keypairs.import_key(account, public=KEY, job_id="job-1", token=launch)
    group_id = network.make_group(account, site=site, job_id="job-1", token=launch)
    builds = tuple(
        Build(
            token=launch,
            job_id="job-1",
            instance_type=name,
            on_demand=on_demand,
            image_id=aws.images[NVIDIA_PARAMETER],
            root_device="/dev/sda1",
            volume_gb=90,
            key_name=key_name,
            group_id=group_id,
            user_data="#!/bin/sh\n",
        )
        for name in types
    )
    return Order(builds=builds, subnets=site.subnets, vcpus=dict.fromkeys(types, 4), avoid=avoid)


def run(aws: Stage, *, launch: str = "t1") -> Rented:
    """Rent a machine as the tests need one."""
    return fleet.rent(aws.account(), order(aws, launch=launch))
