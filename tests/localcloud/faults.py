# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the AWS API: chosen calls are answered with AWS's own errors, over HTTP, as boto3 would meet them."""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

ANY = "*"

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html: what is not 400.
_STATUS = {
    "AuthFailure": 401,
    "OptInRequired": 401,
    "Blocked": 403,
    "UnauthorizedOperation": 403,
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "InvalidClientTokenId": 403,
    "PendingVerification": 403,
    "SignatureDoesNotMatch": 403,
    "InsufficientInstanceCapacity": 500,
    "InsufficientHostCapacity": 500,
    "InsufficientAddressCapacity": 500,
    "InsufficientReservedInstanceCapacity": 500,
    "InsufficientVolumeCapacity": 500,
    "InternalError": 500,
    "InternalFailure": 500,
    "RequestLimitExceeded": 503,
    "ServiceUnavailable": 503,
    "Unavailable": 503,
}

_MESSAGE = {
    "AuthFailure": "AWS was not able to validate the provided access credentials",
    "ExpiredToken": "The security token included in the request is expired",
    "InsufficientInstanceCapacity": "There is no Spot capacity available that matches your request.",
    "InvalidClientTokenId": "The security token included in the request is invalid.",
    "MaxSpotInstanceCountExceeded": "Max spot instance count exceeded",
    "OptInRequired": ("You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe."),
    "PendingVerification": (
        "Your request for accessing resources in this region is being validated, and you will not be able to "
        "launch additional resources in this region until the validation is complete."
    ),
    "RequestExpired": "Request has expired.",
    "RequestLimitExceeded": "Request limit exceeded.",
    "ThrottlingException": "Rate exceeded",
    "VcpuLimitExceeded": (
        "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the instance bucket "
        "that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request "
        "to request an adjustment to this limit."
    ),
}

_DENIED = (
    "User: arn:aws:iam::123456789012:user/standin is not authorized to perform: {service}:{action} because no "
    "identity-based policy allows the {service}:{action} action"
)
_DENIED_EC2 = (
    "You are not authorized to perform this operation. "
    + _DENIED
    + (". Encoded authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnuUMCm-abcdefghijklmn")
)

# A fault for every call ("*") comes in each protocol's own words.
_SPOKEN = {
    "ec2": {"ExpiredToken": "RequestExpired", "AccessDenied": "UnauthorizedOperation"},
    "query": {"UnauthorizedOperation": "AccessDenied", "AuthFailure": "InvalidClientTokenId"},
    "json": {
        "AuthFailure": "UnrecognizedClientException",
        "ExpiredToken": "ExpiredTokenException",
        "InvalidClientTokenId": "UnrecognizedClientException",
        "RequestLimitExceeded": "ThrottlingException",
        "UnauthorizedOperation": "AccessDeniedException",
    },
}
_THROTTLE = {"ec2": "RequestLimitExceeded", "query": "Throttling", "json": "ThrottlingException"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to the API. `protocol` is "ec2", "query" (STS) or "json" (SSM, pricing)."""

    service: str
    action: str
    protocol: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def is_spot_launch(self) -> bool:
        """Whether it asks for a spot machine by RunInstances."""
        return self.action == "RunInstances" and self.parameters.get("InstanceMarketOptions.MarketType") == "spot"


@dataclass(kw_only=True)
class _Rule:
    action: str
    code: str | None
    message: str | None
    times: int
    delay: float
    when: Callable[[Call], bool] = lambda call: True


@dataclass(kw_only=True)
class _Mark:
    action: str
    act: Callable[[], bool]
    left: int
    answered: bool


class Faults:
    """The faults that wait for their call. Safe to add to while calls come in."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._marks: list[_Mark] = []
        self._lock = threading.Lock()
        self.given = 0
        """How many calls were answered with an error so far."""

    def api(self, action: str, code: str, *, times: int = 1, message: str | None = None) -> None:
        """Answer the next `times` calls of `action` ("RunInstances", or "*" for every call) with this error.

        botocore repeats calls by itself after a 5xx or a throttling code: each repetition counts.
        """
        self._add(_Rule(action=action, code=code, message=message, times=times, delay=0.0))

    def throttle(self, action: str, *, times: int) -> None:
        """Answer that the account makes too many calls, in the words of the service."""
        self._add(_Rule(action=action, code="", message=None, times=times, delay=0.0))

    def delay(self, action: str, seconds: float, *, times: int = 1) -> None:
        """Let the next `times` calls of `action` take that much longer."""
        self._add(_Rule(action=action, code=None, message=None, times=times, delay=seconds))

    def no_spot(self, *, instance_type: str = "", subnet: str = "") -> None:
        """Have no spot machine to give, of that type and in that subnet if named, until `clear`."""

        def there(call: Call) -> bool:
            asked = call.parameters
            return (
                call.is_spot_launch
                and instance_type in ("", asked.get("InstanceType"))
                and subnet in ("", asked.get("SubnetId"))
            )

        code = "InsufficientInstanceCapacity"
        rule = _Rule(action="RunInstances", code=code, message=None, times=sys.maxsize, delay=0.0)
        rule.when = there
        self._add(rule)

    def at_call(self, action: str, act: Callable[[], bool], *, nth: int = 1, answered: bool = False) -> None:
        """Call `act` once, at the n-th call of `action` from now on ("*": of any action).

        It happens as the call arrives, which is lost (nothing is done about it) if `act` returns True. Or, `answered`,
        when it has been done and the caller waits for the answer, which is lost if `act` returns True.
        """
        with self._lock:
            self._marks.append(_Mark(action=action, act=act, left=nth, answered=answered))

    def clear(self) -> None:
        """Forget all faults that have not happened yet."""
        with self._lock:
            self._rules.clear()
            self._marks.clear()

    def passing(self, call: Call, *, answered: bool) -> bool:
        """Do what was to be done at this call; tell whether the call is lost by it. A try (DryRun) is none."""
        if call.parameters.get("DryRun") == "true":
            return False
        with self._lock:
            mine = [m for m in self._marks if m.answered == answered and m.action in (ANY, call.action)]
            for mark in mine:
                mark.left -= 1
            self._marks = [mark for mark in self._marks if mark.left > 0]
        due = [mark for mark in mine if mark.left == 0]
        lost = [mark.act() for mark in due]
        return any(lost)

    def answer(self, call: Call) -> tuple[int, str, bytes] | None:
        """Return status, content type and body if a fault answers this call, None if it may pass."""
        rule = self._take(call)
        if rule is None:
            return None
        time.sleep(rule.delay)
        if rule.code is None:
            return None
        self.given += 1
        code = rule.code or _THROTTLE[call.protocol]
        if rule.action == ANY:
            code = _SPOKEN[call.protocol].get(code, code)
        return render(call, code, rule.message)

    def launches(self, calls: Sequence[Call]) -> list[tuple[int, str, bytes] | None]:
        """Answer the launches that one CreateFleet tries: a fault of RunInstances meets them all, and counts once."""
        answers: list[tuple[int, str, bytes] | None] = [None] * len(calls)
        with self._lock:
            rules = [
                rule
                for rule in self._rules
                if rule.times > 0 and rule.action == "RunInstances" and any(map(rule.when, calls))
            ][:1]
            for rule in self._rules:  # those that have no end are facts, not events: all of them hold
                if rule.times > sys.maxsize // 2 and rule not in rules and rule.action == "RunInstances":
                    rules.append(rule)
            for rule in rules:
                rule.times -= 1
        for rule in rules:
            time.sleep(rule.delay)
            for index, call in enumerate(calls):
                if rule.code is not None and rule.when(call) and answers[index] is None:
                    answers[index] = render(call, rule.code or _THROTTLE[call.protocol], rule.message)
        return answers

    def _add(self, rule: _Rule) -> None:
        with self._lock:
            self._rules.append(rule)

    def _take(self, call: Call) -> _Rule | None:
        with self._lock:
            for rule in self._rules:
                if rule.times > 0 and rule.action in (ANY, call.action) and rule.when(call):
                    rule.times -= 1
                    return rule
        return None


def render(call: Call, code: str, message: str | None = None) -> tuple[int, str, bytes]:
    """Return an error as the call's protocol writes it: HTTP status, content type, body."""
    text = message or _message(call, code)
    if call.protocol == "json":
        body: dict[str, Any] = {"__type": code, "message": text}
        status = 500 if code == "InternalServerError" else HTTPStatus.BAD_REQUEST
        return status, "application/x-amz-json-1.1", json.dumps(body).encode()
    error = f"<Code>{escape(code)}</Code><Message>{escape(text)}</Message>"
    if call.protocol == "ec2":
        xml = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{uuid.uuid4()}</RequestID></Response>"
    else:
        xml = (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            f"{error}</Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
        )
    return _STATUS.get(code, HTTPStatus.BAD_REQUEST), "text/xml;charset=UTF-8", xml.encode()


def _message(call: Call, code: str) -> str:
    if code in ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException"):
        text = _DENIED_EC2 if call.protocol == "ec2" else _DENIED
        return text.format(service=call.service, action=call.action)
    plain = code.removesuffix("Exception")
    return _MESSAGE.get(code) or _MESSAGE.get(plain) or f"{code} (a fault of the stand-in cloud)"
