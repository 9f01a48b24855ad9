# SPDX-License-Identifier: GPL-3.0-or-later
"""vCPU quotas of EC2: what Service Quotas tells of them (moto has none of EC2), and the launches they refuse.

Forms: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html and
API_RequestServiceQuotaIncrease.html beside it: one open request a quota, for more than there is. A launch is held
against its own vCPUs alone: what runs already does not count here.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from http import HTTPStatus
from typing import Any

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
_NAMES = {code: name for code, name, *_ in _QUOTAS}
_PLENTY = 64

Answer = tuple[int, str, bytes]


class Quotas:
    """The account's quotas by their codes, vCPUs; they may be changed at any time. `requests` for more stay open."""

    def __init__(self) -> None:
        self.values = dict.fromkeys(_NAMES, _PLENTY)
        self.requests: list[dict[str, Any]] = []

    def decide(self, status: str) -> None:
        """Let AWS answer all open requests: "APPROVED", "DENIED", "CASE_CLOSED"."""
        for request in self.requests:
            request["Status"] = status
            if status == "APPROVED":
                self.values[request["QuotaCode"]] = int(request["DesiredValue"])

    def answer(self, call: Call) -> Answer | None:
        """Answer the calls of Service Quotas, and a launch that a quota forbids; None for every other call."""
        if call.service == "servicequotas":
            return self._serve(call)
        if call.action == "RunInstances" and "DryRun" not in call.parameters:  # a try does not look at quotas
            return self.launch(call)
        return None

    def _serve(self, call: Call) -> Answer:
        code = call.parameters.get("QuotaCode", "")
        if code not in _NAMES or call.parameters.get("ServiceCode") != "ec2":
            return render(call, "NoSuchResourceException", "The request failed because the quota does not exist.")
        match call.action:
            case "GetServiceQuota":
                return _json({"Quota": self._quota(code)})
            case "ListRequestedServiceQuotaChangeHistoryByQuota":
                return _json({"RequestedQuotas": [each for each in self.requests if each["QuotaCode"] == code]})
            case "RequestServiceQuotaIncrease":
                return self._request(call, code, float(call.parameters["DesiredValue"]))
        return render(call, "IllegalArgumentException", f"The stand-in does not know {call.action}")

    def _quota(self, code: str) -> dict[str, Any]:
        return {
            "ServiceCode": "ec2",
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaCode": code,
            "QuotaName": _NAMES[code],
            "Value": float(self.values[code]),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    def _request(self, call: Call, code: str, wanted: float) -> Answer:
        if any(each["QuotaCode"] == code and each["Status"] in ("PENDING", "CASE_OPENED") for each in self.requests):
            return render(
                call, "ResourceAlreadyExistsException", "Only one open service quota increase request is allowed"
            )
        if wanted <= self.values[code]:
            text = f"You must provide a quota value greater than the current quota value of {self.values[code]:.1f}"
            return render(call, "IllegalArgumentException", text)
        request = {
            **{
                name: self._quota(code)[name]
                for name in ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "Unit")
            },
            "Id": uuid.uuid4().hex,
            "DesiredValue": wanted,
            "Status": "PENDING",
            "Created": time.time(),
            "GlobalQuota": False,
        }
        self.requests.append(request)
        return _json({"RequestedQuota": request})

    def launch(self, call: Call) -> Answer | None:
        """Answer a launch that a quota forbids."""
        kind, spot = str(call.parameters.get("InstanceType", "")), call.is_spot_launch
        vcpus = catalogue.vcpus_of(kind)
        code = next((c for c, _, types, of_spot in _QUOTAS if of_spot == spot and re.match(types, kind)), None)
        if code is None or vcpus <= self.values[code]:
            return None
        return render(call, "MaxSpotInstanceCountExceeded" if spot else "VcpuLimitExceeded")


def _json(answer: dict[str, Any]) -> Answer:
    return HTTPStatus.OK, "application/x-amz-json-1.1", json.dumps(answer).encode()
