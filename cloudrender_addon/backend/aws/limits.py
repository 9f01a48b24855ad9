# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a quota the account has. Which quota counts is in quotas.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CloudError
from .errors import code_of

if TYPE_CHECKING:
    from .quotas import Quota
    from .session import Account


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
