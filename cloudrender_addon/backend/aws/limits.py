# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a quota the account has and uses, and asking for more. Which quota counts is in quotas.py.

Forms: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_RequestServiceQuotaIncrease.html and
API_ListRequestedServiceQuotaChangeHistoryByQuota.html beside it.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import CloudError, ConfigError
from .errors import code_of
from .quotas import Quota, on_demand_quota, spot_quota

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

    from .session import Account

_OPEN = ("PENDING", "CASE_OPENED")
_ASKED_ALREADY = "ResourceAlreadyExistsException"


@dataclass(frozen=True, kw_only=True)
class QuotaRequest:
    """An increase that was asked for: vCPUs, and AWS's word for how that stands ("PENDING", "CASE_OPENED")."""

    id: str
    vcpus: int
    status: str


def quota_value(account: Account, quota: Quota) -> int | None:
    """Return the account's value of an EC2 quota in its region (vCPUs), None where AWS does not tell.

    What runs already is not subtracted. Raises `PermissionsError` without servicequotas:GetServiceQuota, `CloudError`.
    """
    if not quota.code:
        return None
    try:
        with account.calling("servicequotas:GetServiceQuota"):
            answer = account.service_quotas.get_service_quota(ServiceCode="ec2", QuotaCode=quota.code)
    except CloudError as error:
        if code_of(error) == "NoSuchResourceException":  # the region has no such machines, hence no such quota
            return None
        raise
    return int(answer["Quota"]["Value"])


def vcpus_in_use(account: Account, *, quota_code: str, on_demand: bool) -> int:
    """Return how many vCPUs of a quota run or start right now, whoever rented them. Raises `CloudError`."""
    quota_of = on_demand_quota if on_demand else spot_quota
    running: FilterTypeDef = {"Name": "instance-state-name", "Values": ["pending", "running"]}
    machines: collections.Counter[str] = collections.Counter()
    with account.calling("ec2:DescribeInstances"):
        for page in account.ec2.get_paginator("describe_instances").paginate(Filters=[running]):
            for reservation in page["Reservations"]:
                for each in reservation.get("Instances", []):
                    name = each.get("InstanceType", "")
                    bought_so = (each.get("InstanceLifecycle") != "spot") == on_demand
                    machines[name] += bought_so and quota_of(name).code == quota_code
    names = [name for name, count in machines.items() if count]
    if not names:
        return 0
    with account.calling("ec2:DescribeInstanceTypes"):
        kinds = account.ec2.describe_instance_types(InstanceTypes=names)["InstanceTypes"]  # type: ignore[arg-type]
    return sum(machines[kind["InstanceType"]] * kind["VCpuInfo"].get("DefaultVCpus", 0) for kind in kinds)


def open_request(account: Account, quota: Quota) -> QuotaRequest | None:
    """Return the increase of this quota that AWS has been asked for and has not decided on, None without one.

    Raises `PermissionsError` without servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota, `CloudError`.
    """
    if not quota.code:
        return None
    client = account.service_quotas
    with account.calling("servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota"):
        pages = client.get_paginator("list_requested_service_quota_change_history_by_quota").paginate(
            ServiceCode="ec2", QuotaCode=quota.code
        )
        requests = [each for page in pages for each in page["RequestedQuotas"]]
    return next((_request(each) for each in requests if each["Status"] in _OPEN), None)


def request_increase(account: Account, quota: Quota, *, vcpus: int) -> QuotaRequest:
    """Ask AWS for a quota of that many vCPUs; what was asked for already and is open is returned instead.

    Raises `ConfigError` for a quota whose code is not known, `PermissionsError` without
    servicequotas:RequestServiceQuotaIncrease, `CloudError`.
    """
    if not quota.code:
        raise ConfigError(
            f"The code of the quota “{quota.name}” is not known here",
            hint=f"Request at least {vcpus} vCPUs at {quota.request_url(account.region)}",
        )
    if asked := open_request(account, quota):
        return asked
    try:
        with account.calling("servicequotas:RequestServiceQuotaIncrease"):
            answer = account.service_quotas.request_service_quota_increase(
                ServiceCode="ec2", QuotaCode=quota.code, DesiredValue=float(vcpus)
            )
    except CloudError as error:
        # Asked by somebody else since we looked.
        if code_of(error) == _ASKED_ALREADY and (asked := open_request(account, quota)):
            return asked
        raise
    return _request(answer["RequestedQuota"])


def _request(answer: dict[str, Any]) -> QuotaRequest:
    return QuotaRequest(id=answer["Id"], vcpus=int(answer["DesiredValue"]), status=answer["Status"])
