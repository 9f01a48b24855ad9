# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user of the account may do: everything, unless rights are taken away. And DryRun, by which that is asked.

A try (DryRun=true) and a call look at the same rights; a try that is granted goes no further.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from tests.localcloud import policy
from tests.localcloud.catalogue import ACCOUNT
from tests.localcloud.faults import Call, render

USER = "standin"

Answer = tuple[int, str, bytes]


class Rights:
    """The rights of the account's only user; they may be changed at any time."""

    def __init__(self) -> None:
        self._denied: set[str] = set()
        self._policy: dict[str, Any] | None = None

    def deny(self, *actions: str) -> None:
        """Take rights away, by the names IAM has for them ("ec2:RunInstances")."""
        self._denied.update(actions)

    def give_back(self, *actions: str) -> None:
        """Give rights back that were taken away."""
        self._denied.difference_update(actions)

    def limit_to(self, document: dict[str, Any]) -> None:
        """Leave only the rights that this IAM policy grants."""
        self._policy = document

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Let the block act as whoever runs the account, with every right."""
        denied, document = self._denied, self._policy
        self._denied, self._policy = set(), None
        try:
            yield
        finally:
            self._denied, self._policy = denied, document

    def may(self, action: str, *, resource: str, context: dict[str, str]) -> bool:
        """Tell whether the user has a right that another service uses on their behalf."""
        need = policy.Need(action=action, resource=resource, context=context)
        return action not in self._denied and (self._policy is None or policy.granted(self._policy, need))

    def answer(self, call: Call) -> Answer | None:
        """Answer a call that is denied, or that is only a try; None if it may pass."""
        if (action := self._lacking(call)) is not None:
            refused = dataclasses.replace(call, action=action)
            return render(refused, "UnauthorizedOperation" if call.protocol == "ec2" else "AccessDeniedException")
        return _dry_run(call)

    def _lacking(self, call: Call) -> str | None:
        for action in _needed(call):
            if f"{call.service}:{action}" in self._denied:
                return action
        need = policy.lacking(self._policy, call) if self._policy else None
        return need.action.partition(":")[2] if need else None


def _needed(call: Call) -> Iterator[str]:
    """Yield the rights a call needs: its own, and the one to tag what it makes."""
    yield call.action
    if any(name.startswith("TagSpecification.") for name in call.parameters):
        yield "CreateTags"


def _dry_run(call: Call) -> Answer | None:
    """Answer a call that is only a try as one that is granted; None if it is meant."""
    if call.protocol != "ec2" or call.parameters.get("DryRun") != "true":
        return None
    _, kind, body = render(call, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
    return HTTPStatus.PRECONDITION_FAILED, kind, body


def get_caller_identity(_backend: Any, _access_key_id: str, _region: str) -> tuple[str, str, str]:
    """Say who calls, in the place of moto's method, whose user has the name of no user."""
    return "AIDASTANDINCLOUD0000", f"arn:aws:iam::{ACCOUNT}:user/{USER}", ACCOUNT
