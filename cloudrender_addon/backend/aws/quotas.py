# SPDX-License-Identifier: GPL-3.0-or-later
"""Which vCPU quota of the account a machine counts against, and where to ask for more.

Names and codes: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-spot-limits.html and
ec2-on-demand-instances.html#ec2-on-demand-instances-limits beside it, and the Service Quotas console. New accounts
usually start at 0 for the kinds with a GPU.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STANDARD = frozenset([*"acdhimrtz", "im", "is"])
_GRAPHICS = frozenset(["g", "gr", "vt"])


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A quota by its name in the console; `code` is "" where only the console knows it."""

    name: str
    code: str

    def request_url(self, region: str) -> str:
        """Return the page where a raise is requested."""
        base = f"https://{region}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas"
        return f"{base}/{self.code}" if self.code else base


def spot_quota(instance_type: str) -> Quota:
    """Return the quota that a spot machine of this type counts against."""
    family = _family(instance_type)
    if family in _GRAPHICS:
        return Quota(name="All G and VT Spot Instance Requests", code="L-3819A6DF")
    if family == "p" and instance_type[1:2] in ("2", "3", "4"):
        return Quota(name="All P4, P3 and P2 Spot Instance Requests", code="L-7212CCBC")
    if family == "p" and instance_type[1:2] == "5":
        return Quota(name="All P5 Spot Instance Requests", code="L-C4BD4855")
    if family in _STANDARD:
        return Quota(name="All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", code="L-34B43A08")
    return Quota(name=f"All {family.upper()} Spot Instance Requests", code="")


def on_demand_quota(instance_type: str) -> Quota:
    """Return the quota that an on-demand machine of this type counts against."""
    family = _family(instance_type)
    if family in _GRAPHICS:
        return Quota(name="Running On-Demand G and VT instances", code="L-DB2E81BA")
    if family == "p":
        return Quota(name="Running On-Demand P instances", code="L-417A185B")
    if family in _STANDARD:
        return Quota(name="Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", code="L-1216C47A")
    return Quota(name=f"Running On-Demand {family.upper()} instances", code="")


def _family(instance_type: str) -> str:
    found = re.match(r"[a-z]+", instance_type)
    return found.group() if found else ""
