# SPDX-License-Identifier: GPL-3.0-or-later
"""The looks of Check Setup at what the account may do: rights and quotas. See `check_looks.py`."""

from __future__ import annotations

from collections.abc import Iterable

from ..aws.catalog import MachineType
from ..aws.dry_run import NAME, refusals
from ..aws.images import Image
from ..aws.limits import open_request, quota_value
from ..aws.quotas import Quota, on_demand_quota, spot_quota
from ..aws.session import Account
from ..aws.templates import Build
from ..errors import CloudError, PermissionsError, QuotaError
from .check_looks import Remark, Setup
from .ec2_offers import ROOM_GB
from .quota import worth_asking

_ANY_IMAGE = Image(id="ami-00000000000000000", root_device="/dev/sda1", size_gb=8, origin="given")
"""Where the real one is not known: EC2 looks at the rights first."""


def rights(setup: Setup) -> Remark:
    """Whether every call of a job is allowed."""
    missing = refusals(
        setup.account,
        builds=[_build(setup, on_demand=on_demand) for on_demand in setup.purchases],
        vpc_id=setup.site.vpc_id if setup.site else "",
        subnet_id=setup.site.subnets[0].id if setup.site else None,
        own_group=setup.settings.security_group is None,
    )
    if not missing:
        return Remark(text="Every call of a job is allowed")
    forbidden = _listed(each.action for each in missing if each.by_organization)
    if forbidden:
        raise PermissionsError(
            f"Your organization's rules (service control policy) forbid {forbidden}",
            hint="Only whoever runs your organization's AWS accounts can change that: ask there, with these names",
        )
    raise PermissionsError(
        f"Missing: {_listed(each.action for each in missing)}",
        hint="Attach to your AWS user, as a policy, what Copy Policy (`cloudrender policy`) gives, or ask whoever runs "
        "the account to do it",
    )


def quota(setup: Setup, name: str) -> Remark:
    """Whether the account may run a machine of that size. What runs already is not looked at."""
    kind = setup.kinds[name]
    texts, hints = [], []
    for on_demand in setup.purchases:
        limit = (on_demand_quota if on_demand else spot_quota)(kind.name)
        url = limit.request_url(setup.account.region)
        try:
            value = quota_value(setup.account, limit)
        except PermissionsError as error:
            texts.append(f"{_named(limit)} is not known")
            hints.append(error.hint)
            continue
        if value is None:
            texts.append(f"{_named(limit)} is not known")
            hints.append(f"See that it is at least {kind.vcpus} at {url}")
        elif value < kind.vcpus:
            text = f"A {kind.name} needs {kind.vcpus} vCPUs, and your account may use {value} of {_named(limit)}"
            hint = _ask_for_more(setup.account, limit, kind)
            if on_demand == setup.purchases[0]:
                raise QuotaError(text, hint=hint)
            texts.append(text)
            hints.append(hint)
        else:
            texts.append(f"{value} vCPUs of {_named(limit)}, needed {kind.vcpus}")
    return Remark(text="; ".join(texts), hint=next(iter(hints), ""))


def _ask_for_more(account: Account, limit: Quota, kind: MachineType) -> str:
    """Return the next step for a quota that is too small."""
    until_then = "a type without GPU, such as c7i.2xlarge," if kind.gpu else "a smaller type"
    try:
        asked = open_request(account, limit)
    except CloudError:  # that there is one would only be good to know
        asked = None
    if asked:
        step = f"AWS was asked for {asked.vcpus} and has not answered yet ({asked.status})"
    elif limit.code:
        step = f"Request Increase (`cloudrender quota --request`) asks AWS for {worth_asking(kind.vcpus)}"
    else:
        step = f"Request at least {kind.vcpus} by hand"
    return f"{step}: {limit.request_url(account.region)} (takes hours to days); until then {until_then} may do"


def _named(limit: Quota) -> str:
    return f"“{limit.name}”" + (f" ({limit.code})" if limit.code else "")


def _listed(actions: Iterable[str]) -> str:
    return ", ".join(sorted(actions))


def _build(setup: Setup, *, on_demand: bool) -> Build:
    """Return the machine a job would launch, without project or user data."""
    chosen = next(iter(setup.images.values()), _ANY_IMAGE)
    return Build(
        token=NAME,
        job_id=NAME,
        instance_type=setup.settings.instance_types[0],
        on_demand=on_demand,
        image_id=chosen.id,
        root_device=chosen.root_device,
        volume_gb=chosen.disk_gb + ROOM_GB,
        key_name=NAME,
        group_id=setup.settings.security_group or "",
        user_data="",
    )
