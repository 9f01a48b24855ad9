# SPDX-License-Identifier: GPL-3.0-or-later
"""Open the farm that a user's settings describe."""

from __future__ import annotations

from pathlib import Path

from ..aws.disk_keys import DEFAULT_KEY, Encryption
from ..aws.session import Account
from ..settings import Settings
from .ec2 import Ec2Farm, Ec2Settings


def open_account(settings: Settings) -> Account:
    """Return the AWS account the settings name, in the first region they name; nothing is asked of it yet."""
    return Account(profile=settings.profile, region=next(iter(settings.regions), None))


def open_farm(settings: Settings, *, account: Account, keys: Path, encryption: Encryption = DEFAULT_KEY) -> Ec2Farm:
    """Return the farm for one job, whose key files are in the folder `keys`; `encryption` is that of its disks."""
    ec2 = Ec2Settings(
        image=settings.image,
        ssh_user=settings.ssh_user,
        ssh_port=settings.ssh_port,
        regions=settings.regions,
        subnet=settings.subnet,
        security_group=settings.security_group,
        checkip_url=settings.checkip_url,
        encryption=encryption,
    )
    return Ec2Farm(account=account, settings=ec2, keys=keys)
