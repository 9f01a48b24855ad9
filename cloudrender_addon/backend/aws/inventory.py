# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything in the account that carries our tag, and how to end exactly that."""

from __future__ import annotations

import contextlib
import enum
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from ..atonce import all_at_once
from ..errors import PermissionsError
from . import instances, keypairs, machine_images, network, snapshots, templates, volumes
from .failures import Failures
from .tags import job_of, launch_of, ours

if TYPE_CHECKING:
    import datetime

    from mypy_boto3_ec2.type_defs import FilterTypeDef, TagTypeDef

    from .session import Account


END_SECONDS = 180.0
"""How long to wait to see everything gone: a machine with a GPU may take two minutes to shut down."""


class Kind(enum.StrEnum):
    """What Cloudrender makes in an account, in the order of what it costs."""

    INSTANCE = "machine"
    SPOT_REQUEST = "spot request"
    VOLUME = "disk"
    TEMPLATE = "launch template"
    KEY_PAIR = "key pair"
    GROUP = "security group"
    IMAGE = "half-made image"
    SNAPSHOT = "half-made snapshot"


LAUNCHED = frozenset(Kind) - {Kind.IMAGE, Kind.SNAPSHOT}
"""What the launch of a machine makes; the others are made of a machine, by a build."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One thing of ours, made for the launch `token` ("" if that is not known).

    `id` is what AWS calls it (a key pair or template: its name), `age_seconds` None where it does not say.
    Of a machine: its type as `detail`, how it was bought, whether it has a public address. Of a disk, image or
    snapshot: its GiB.
    """

    kind: Kind
    id: str
    job_id: str
    token: str = ""
    age_seconds: float | None = None
    state: str = ""
    detail: str = ""
    on_demand: bool = False
    public: bool = False
    size_gb: int = 0


def list_ours(
    account: Account,
    *,
    job_id: str | None = None,
    token: str | None = None,
    kinds: Collection[Kind] = tuple(Kind),
) -> tuple[Resource, ...]:
    """List what exists with our tags: of one launch, of one job, or of all jobs. Raises `CloudError`.

    What has ended for good (a terminated machine, a closed spot request) is not listed.
    """
    filters = ours(job_id=job_id, token=token)
    _ = account.ec2

    def look(kind: Kind) -> tuple[Resource, ...]:
        return tuple(_LOOKS[kind](account, filters))

    found = all_at_once(partial(look, kind) for kind in kinds)  # 50–200 ms each
    return tuple(resource for resources in found for resource in resources)


def end(account: Account, resources: Iterable[Resource], *, seconds: float = END_SECONDS) -> None:
    """End exactly these, machines first, and return once they are seen gone. Idempotent.

    Everything is attempted even if a part fails; then raises `CleanupError` with the ids that may still exist.
    """
    deadline = time.monotonic() + seconds
    wanted = dict.fromkeys((resource.kind, resource.id) for resource in resources)  # each once
    by_kind = {kind: [each for its, each in wanted if its is kind] for kind in Kind}
    failures = Failures()
    ending: list[str] = []
    for instance_id in by_kind[Kind.INSTANCE]:
        with failures.noted(instance_id):
            instances.ask_to_end(account, instance_id, deadline=deadline)
            ending.append(instance_id)
    if requests := by_kind[Kind.SPOT_REQUEST]:
        with failures.noted(*requests), account.calling("ec2:CancelSpotInstanceRequests"):
            account.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=requests)
    if ending:
        with failures.noted(*ending):
            instances.wait_until_ended(account, ending, deadline=deadline)
    if len(ending) < len(by_kind[Kind.INSTANCE]):  # what a living machine holds cannot be had by waiting for it
        deadline = time.monotonic()
    for name in by_kind[Kind.TEMPLATE]:
        with failures.noted(name):
            templates.delete_template(account, name)
    for name in by_kind[Kind.KEY_PAIR]:
        with failures.noted(name):
            keypairs.delete_key(account, name)
    for volume_id in by_kind[Kind.VOLUME]:
        with failures.noted(volume_id):
            volumes.delete_volume(account, volume_id, deadline=deadline)
    for group_id in by_kind[Kind.GROUP]:
        with failures.noted(group_id):
            network.delete_group(account, group_id, deadline=deadline)
    for image_id in by_kind[Kind.IMAGE]:
        with failures.noted(image_id):
            machine_images.delete_image(account, image_id)
    for snapshot_id in by_kind[Kind.SNAPSHOT]:
        with failures.noted(snapshot_id):
            snapshots.delete_snapshot(account, snapshot_id, deadline=deadline)
    failures.report()


def _instances(account: Account, filters: list[FilterTypeDef]) -> Iterator[Resource]:
    with account.calling("ec2:DescribeInstances"):
        for page in account.ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                for each in reservation.get("Instances", []):
                    state = each.get("State", {}).get("Name", "")
                    if state != instances.TERMINATED:
                        yield Resource(
                            kind=Kind.INSTANCE,
                            id=each["InstanceId"],
                            **_origin(each.get("Tags"), each.get("LaunchTime")),
                            state=state,
                            detail=each.get("InstanceType", ""),
                            on_demand=each.get("InstanceLifecycle") != "spot",
                            public=bool(each.get("PublicIpAddress")),
                        )


def _requests(account: Account, filters: list[FilterTypeDef]) -> Iterator[Resource]:
    # Only "open" ones can still become a machine; an active one is a machine already, and ends with it.
    waiting: FilterTypeDef = {"Name": "state", "Values": ["open"]}
    with account.calling("ec2:DescribeSpotInstanceRequests"):
        answer = account.ec2.describe_spot_instance_requests(Filters=[*filters, waiting])
    for each in answer["SpotInstanceRequests"]:
        yield Resource(
            kind=Kind.SPOT_REQUEST,
            id=each.get("SpotInstanceRequestId", ""),
            **_origin(each.get("Tags"), each.get("CreateTime")),
            state=each.get("State", ""),
            detail=each.get("Status", {}).get("Code", ""),
        )


def _volumes(account: Account, filters: list[FilterTypeDef]) -> Iterator[Resource]:
    with account.calling("ec2:DescribeVolumes"):
        for page in account.ec2.get_paginator("describe_volumes").paginate(Filters=filters):
            for each in page["Volumes"]:
                if each.get("State") not in ("deleting", "deleted"):
                    yield Resource(
                        kind=Kind.VOLUME,
                        id=each.get("VolumeId", ""),
                        **_origin(each.get("Tags"), each.get("CreateTime")),
                        state=each.get("State", ""),
                        detail=f"{each.get('Size', 0)} GB",
                        size_gb=each.get("Size", 0),
                    )


def _key_pairs(account: Account, filters: list[FilterTypeDef]) -> Iterator[Resource]:
    with account.calling("ec2:DescribeKeyPairs"):
        answer = account.ec2.describe_key_pairs(Filters=filters)
    for each in answer["KeyPairs"]:
        yield Resource(
            kind=Kind.KEY_PAIR,
            id=each.get("KeyName", ""),
            **_origin(each.get("Tags"), each.get("CreateTime")),
        )


def _templates(account: Account, filters: list[FilterTypeDef]) -> Iterator[Resource]:
    with account.calling("ec2:DescribeLaunchTemplates"):
        for page in account.ec2.get_paginator("describe_launch_templates").paginate(Filters=filters):
            for each in page["LaunchTemplates"]:
                yield Resource(
                    kind=Kind.TEMPLATE,
                    id=each.get("LaunchTemplateName", ""),
                    **_origin(each.get("Tags"), each.get("CreateTime")),
                )


def _groups(account: Account, filters: list[FilterTypeDef]) -> Iterator[Resource]:
    with account.calling("ec2:DescribeSecurityGroups"):
        for page in account.ec2.get_paginator("describe_security_groups").paginate(Filters=filters):
            for each in page["SecurityGroups"]:
                yield Resource(
                    kind=Kind.GROUP,
                    id=each.get("GroupId", ""),
                    **_origin(each.get("Tags"), None),
                    detail=each.get("GroupName", ""),
                )


def _images(account: Account, filters: list[FilterTypeDef]) -> Iterator[Resource]:
    with account.calling("ec2:DescribeImages"):
        for page in account.ec2.get_paginator("describe_images").paginate(Owners=["self"], Filters=filters):
            for each in page["Images"]:
                yield Resource(
                    kind=Kind.IMAGE,
                    id=each.get("ImageId", ""),
                    job_id=job_of(each.get("Tags") or []),
                    state=each.get("State", ""),
                    detail=each.get("Name", ""),
                    size_gb=sum(m.get("Ebs", {}).get("VolumeSize", 0) for m in each.get("BlockDeviceMappings", [])),
                )


def _snapshots(account: Account, filters: list[FilterTypeDef]) -> Iterator[Resource]:
    """Look for those that no image names: an image that AWS has only begun, and that is gone, may leave them."""
    found = []
    # Who may only render makes none, and need not look.
    with contextlib.suppress(PermissionsError), account.calling("ec2:DescribeSnapshots"):
        pages = account.ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], Filters=filters)
        found = [each for page in pages for each in page["Snapshots"]]
    if not found:
        return
    with account.calling("ec2:DescribeImages"):
        images = account.ec2.describe_images(Owners=["self"], Filters=filters)["Images"]
    named = {m.get("Ebs", {}).get("SnapshotId") for image in images for m in image.get("BlockDeviceMappings", [])}
    for each in found:
        if each.get("SnapshotId") not in named:
            yield Resource(
                kind=Kind.SNAPSHOT,
                id=each.get("SnapshotId", ""),
                **_origin(each.get("Tags"), each.get("StartTime")),
                state=each.get("State", ""),
                size_gb=each.get("VolumeSize", 0),
            )


_LOOKS: dict[Kind, Callable[[Account, list[FilterTypeDef]], Iterator[Resource]]] = {
    Kind.INSTANCE: _instances,
    Kind.SPOT_REQUEST: _requests,
    Kind.VOLUME: _volumes,
    Kind.TEMPLATE: _templates,
    Kind.KEY_PAIR: _key_pairs,
    Kind.GROUP: _groups,
    Kind.IMAGE: _images,
    Kind.SNAPSHOT: _snapshots,
}


class _Origin(TypedDict):
    job_id: str
    token: str
    age_seconds: float | None


def _origin(tags: list[TagTypeDef] | None, since: datetime.datetime | None) -> _Origin:
    """Tell what a resource was made for, and how long ago; None for `since` if AWS does not say."""
    age = max(0.0, time.time() - since.timestamp()) if since else None
    return _Origin(job_id=job_of(tags or []), token=launch_of(tags or []), age_seconds=age)
