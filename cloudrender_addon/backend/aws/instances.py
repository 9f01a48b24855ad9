# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine: look at it, end it and see it ended.

EC2 is eventually consistent: for some seconds after its launch a machine may be unknown to the other calls, so
"not found" counts only when it lasts, and "gone" only when EC2 says `terminated`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ..errors import CleanupError, CloudError, PermissionsError
from .errors import code_of
from .pace import paced
from .tags import ours

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_ec2.type_defs import (
        FilterTypeDef,
        InstanceTypeDef,
        ResponseMetadataTypeDef,
        StateReasonTypeDef,
    )

    from .session import Account

APPEAR_SECONDS = 10.0
"""How long a machine that was just launched may stay unknown to EC2's other calls."""

TERMINATED = "terminated"

# What EC2 says of a machine whose disk could not be decrypted: https://repost.aws/knowledge-center/kms-iam-ec2-permission
# and …/encrypted-volumes-stops-immediately. The second may stand in the message alone.
NO_KEY_RIGHT, _KEY_STATE = "Client.InternalError", "Client.InvalidKMSKey.InvalidState"

_RECLAIMED = frozenset({"Server.SpotInstanceTermination", "Server.SpotInstanceShutdown"})
_REASONS = {
    **dict.fromkeys(_RECLAIMED, "AWS took the spot machine back"),
    "Server.InsufficientInstanceCapacity": "AWS had no such machine to give after all",
    "Server.InternalError": "the machine failed while starting",
    "Client.InstanceInitiatedShutdown": "the machine switched itself off",
    "Client.UserInitiatedShutdown": "it was ended from outside (AWS console, or another Cloudrender)",
    "Client.VolumeLimitExceeded": "the account's quota for disk space is used up",
    NO_KEY_RIGHT: "its encrypted disk could not be opened with your rights",
    _KEY_STATE: "its encrypted disk could not be opened: the KMS key is switched off, unknown, or not yours to use",
    "Client.InvalidSnapshot.NotFound": "the disk of its image no longer exists",
}


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A machine as EC2 describes it. `state` and `reason` are EC2's words ("running", "Server.SpotInstance…").

    Seconds are by EC2's clock, whatever this computer's says: `age_seconds` since its launch, `lived_seconds` from its
    launch to its end, None if EC2 does not tell when that was, or while it lives.
    """

    id: str
    type: str
    state: str
    reason: str
    zone: str | None
    public_address: str | None
    private_address: str | None
    age_seconds: float
    lived_seconds: float | None = None


def explain(reason: str) -> str:
    """Say in plain words why a machine ended; unknown reasons, and none, are returned as they are."""
    return _REASONS.get(reason, reason)


def remedy(reason: str) -> str:
    """Return what to do about a machine that ended for a reason for which the next one will end, too; else "".

    For a spot machine without the rights for its disk it takes more, see `disk_keys.spot_grant`.
    """
    if reason == _KEY_STATE:
        return "Enable the key (aws kms enable-key), or have its policy let you use it"
    if reason == NO_KEY_RIGHT:
        return "`cloudrender policy --images` has the rights, which the key's own policy must allow, too"
    return ""


def reclaimed(reason: str) -> bool:
    """Tell whether a machine ended because AWS took it back."""
    return reason in _RECLAIMED


def describe(account: Account, instance_id: str) -> Instance | None:
    """Look at one machine; None when EC2 does not know it (yet, or any more: an hour after its end)."""
    # By filter, because asking by id answers an unknown one with an error.
    return next(iter(_find(account, [{"Name": "instance-id", "Values": [instance_id]}])), None)


def find_launched(account: Account, *, token: str, job_id: str) -> tuple[Instance, ...]:
    """Find what a launch gave, whatever its state, by its tags."""
    return _find(account, ours(job_id=job_id, token=token))


def ask_to_end(account: Account, instance_id: str, *, deadline: float) -> None:
    """Ask EC2 to terminate the machine. Idempotent. Raises `CloudError`.

    Tried again until `deadline` (`time.monotonic()` seconds) while the network is down, and for some seconds
    while EC2 does not know the machine (yet). What is unknown has no tags, so a policy with a condition on tags
    answers that the right is missing: a look tells the two apart.
    """
    appeared = time.monotonic() + APPEAR_SECONDS
    for last in paced(deadline=deadline, first=0.3, longest=3.0):
        try:
            with account.calling("ec2:TerminateInstances"):
                account.ec2.terminate_instances(InstanceIds=[instance_id])
        except CloudError as error:
            unknown = code_of(error) == "InvalidInstanceID.NotFound"
            if isinstance(error, PermissionsError):
                seen = describe(account, instance_id)
                if seen is not None and seen.state == TERMINATED:
                    return
                unknown = seen is None
            if unknown and time.monotonic() >= appeared:
                return
            if last or not (unknown or error.retryable):
                raise
        else:
            return


def wait_until_ended(account: Account, ids: Iterable[str], *, deadline: float) -> None:
    """Return when EC2 says of each machine that it is terminated.

    Raises `CleanupError` with those that are not by `deadline` (`time.monotonic()` seconds), `CloudError`.
    """
    alive = dict.fromkeys(ids, "not seen yet")
    appeared = time.monotonic() + APPEAR_SECONDS
    for last in paced(deadline=deadline, first=0.1, longest=2.0):
        try:
            found = {each.id: each.state for each in _find(account, [{"Name": "instance-id", "Values": [*alive]}])}
        except CloudError as error:
            if last or not error.retryable:
                raise
            continue
        settled = time.monotonic() >= appeared
        alive = {
            each: found.get(each, before)
            for each, before in alive.items()
            if found.get(each) != TERMINATED and not (settled and each not in found)
        }
        if not alive:
            return
    raise CleanupError(
        "AWS was asked to end this machine but has not done so yet: "
        + ", ".join(f"{each} ({state})" for each, state in alive.items()),
        resources=tuple(alive),
        hint="It ends by itself as a rule; run `cloudrender clean-up` in some minutes to be sure",
    )


def _find(account: Account, filters: list[FilterTypeDef]) -> tuple[Instance, ...]:
    with account.calling("ec2:DescribeInstances"):
        pages = account.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        return tuple(
            _instance(each, now=_answered(page["ResponseMetadata"]))
            for page in pages
            for reservation in page["Reservations"]
            for each in reservation.get("Instances", [])
        )


def _answered(answer: ResponseMetadataTypeDef) -> datetime:
    """Return when AWS gave an answer, by its own clock."""
    try:
        said = parsedate_to_datetime(answer["HTTPHeaders"]["date"])
    except (KeyError, ValueError):
        return datetime.now(UTC)
    return said if said.tzinfo else said.replace(tzinfo=UTC)


_ENDED_AT = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")
"""In StateTransitionReason: "User initiated (2026-01-31 17:21:55 GMT)". Not every reason has it (EC2 user guide,
"Troubleshoot instance termination")."""


def _instance(found: InstanceTypeDef, *, now: datetime) -> Instance:
    state, launched = found.get("State", {}).get("Name", "pending"), found.get("LaunchTime", now)
    ended = _ENDED_AT.search(found.get("StateTransitionReason", "")) if state == TERMINATED else None
    ended_at = datetime.fromisoformat(ended[1]).replace(tzinfo=UTC) if ended else None
    return Instance(
        id=found["InstanceId"],
        type=found.get("InstanceType", ""),
        state=state,
        reason=_reason(found.get("StateReason", {})),
        zone=found.get("Placement", {}).get("AvailabilityZone"),
        public_address=found.get("PublicIpAddress") or None,
        private_address=found.get("PrivateIpAddress") or None,
        age_seconds=max((now - launched).total_seconds(), 0.0),
        lived_seconds=max((ended_at - launched).total_seconds(), 0.0) if ended_at else None,
    )


def _reason(found: StateReasonTypeDef) -> str:
    return _KEY_STATE if _KEY_STATE in found.get("Message", "") else found.get("Code", "")
