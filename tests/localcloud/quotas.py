# SPDX-License-Identifier: GPL-3.0-or-later
"""vCPU quotas of EC2: what Service Quotas tells of them (moto has none of EC2), and the launches they refuse.

Form: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html. A launch is held
against its own vCPUs alone: what runs already does not count here.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus

from tests.localcloud import catalogue
from tests.localcloud.faults import Call, render

# Code, name, first letters of the types, spot or not.
_QUOTAS = (
    ("L-3819A6DF", "All G and VT Spot Instance Requests", r"g|vt", True),
    ("L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", r"[acdhimrtz]", True),
    ("L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests", r"p[234]", True),
    ("L-DB2E81BA", "Running On-Demand G and VT instances", r"g|vt", False),
    ("L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", r"[acdhimrtz]", False),
    ("L-417A185B", "Running On-Demand P instances", r"p", False),
)
_PLENTY = 64

Answer = tuple[int, str, bytes]


class Quotas:
    """The account's quotas by their codes, vCPUs; they may be changed at any time."""

    def __init__(self) -> None:
        self.values = dict.fromkeys((code for code, *_ in _QUOTAS), _PLENTY)

    def answer(self, call: Call) -> Answer | None:
        """Answer GetServiceQuota, and a launch that a quota forbids; None for every other call."""
        if call.service == "servicequotas":
            return self._tell(call)
        if call.action == "RunInstances" and "DryRun" not in call.parameters:  # a try does not look at quotas
            return self.launch(call)
        return None

    def _tell(self, call: Call) -> Answer:
        code = call.parameters.get("QuotaCode", "")
        name = next((name for known, name, *_ in _QUOTAS if known == code), None)
        if call.action != "GetServiceQuota" or call.parameters.get("ServiceCode") != "ec2" or name is None:
            return render(call, "NoSuchResourceException", "The request failed because the quota does not exist.")
        quota = {
            "ServiceCode": "ec2",
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": float(self.values[code]),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
        return HTTPStatus.OK, "application/x-amz-json-1.1", json.dumps({"Quota": quota}).encode()

    def launch(self, call: Call) -> Answer | None:
        """Answer a launch that a quota forbids."""
        kind, spot = str(call.parameters.get("InstanceType", "")), call.is_spot_launch
        vcpus = catalogue.vcpus_of(kind)
        code = next((c for c, _, types, of_spot in _QUOTAS if of_spot == spot and re.match(types, kind)), None)
        if code is None or vcpus <= self.values[code]:
            return None
        return render(call, "MaxSpotInstanceCountExceeded" if spot else "VcpuLimitExceeded")
