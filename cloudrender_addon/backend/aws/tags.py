# SPDX-License-Identifier: GPL-3.0-or-later
"""The tags by which everything rented is found again. What does not carry `JOB` is not ours and never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ec2.literals import ResourceTypeType
    from mypy_boto3_ec2.type_defs import FilterTypeDef, TagSpecificationTypeDef, TagTypeDef

JOB = "cloudrender:job"
LAUNCH = "cloudrender:launch"


def launch_name(token: str) -> str:
    """Return the name that the key pair and the security group of one launch carry, and its templates begin with."""
    return f"cloudrender-{token}"


def tagged(kind: ResourceTypeType, *, job_id: str, token: str) -> TagSpecificationTypeDef:
    """Return the tags to make a resource with, so that it never exists without them."""
    return {
        "ResourceType": kind,
        "Tags": [
            {"Key": JOB, "Value": job_id},
            {"Key": LAUNCH, "Value": token},
            {"Key": "Name", "Value": f"cloudrender {job_id}"},
        ],
    }


def ours(*, job_id: str | None = None, token: str | None = None) -> list[FilterTypeDef]:
    """Return the filter for everything of one launch, of one job, or of all jobs."""
    filters: list[FilterTypeDef] = [{"Name": "tag-key", "Values": [JOB]}]
    if job_id is not None:
        filters.append({"Name": f"tag:{JOB}", "Values": [job_id]})
    if token is not None:
        filters.append({"Name": f"tag:{LAUNCH}", "Values": [token]})
    return filters


def job_of(tags: Sequence[TagTypeDef]) -> str:
    """Return the job a resource belongs to, "" if it is not ours."""
    return _value(tags, JOB)


def launch_of(tags: Sequence[TagTypeDef]) -> str:
    """Return the token of the launch a resource was made for, "" if it is not ours."""
    return _value(tags, LAUNCH)


def _value(tags: Sequence[TagTypeDef], key: str) -> str:
    return next((tag.get("Value", "") for tag in tags if tag.get("Key") == key), "")
