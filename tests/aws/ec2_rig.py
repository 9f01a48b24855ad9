# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the EC2 farm share: short ways to a farm and its machines, and a door to knock at."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.errors import LinkError, UnreachableError
from cloudrender_addon.backend.farms.base import Machine, MachineRequest
from cloudrender_addon.backend.farms.ec2 import Ec2Farm, Ec2Settings
from tests.aws.aws_stage import MACHINE, Stage

NONE_FOUND = "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"
LINK: Any = object()
REFUSED = LinkError("Connection refused")


def request(*, launch: str = "t1", machine: str = MACHINE, on_demand: bool = False) -> MachineRequest:
    return MachineRequest(
        job_id="job-1",
        token=launch,
        instance_types=tuple(machine.split(",")),
        disk_bytes=3 * 1024**3 + 1,
        lifetime_seconds=3600,
        lease_seconds=900,
        on_demand=on_demand,
    )


def farm_on(aws: Stage, keys: Path, **settings: Any) -> Ec2Farm:
    chosen = {"checkip_url": aws.checkip_url, "search_seconds": 1.5, "cleanup_seconds": 10.0, **settings}
    return Ec2Farm(account=aws.account(), settings=Ec2Settings(**chosen), keys=keys)


def rent(farm: Ec2Farm, **which: Any) -> Machine:
    return farm.launch(farm.plan(request(**which)))


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def hide_instances(aws: Stage, *, times: int) -> None:
    """Play EC2's eventual consistency: what was launched is not found yet."""
    aws.fault("ec2:DescribeInstances", body=NONE_FOUND, times=times)


def lose_the_answer(aws: Stage, farm: Ec2Farm) -> Machine:
    """Launch a machine of which nobody hears, and return its plan."""
    planned = farm.plan(request())
    aws.fault("ec2:CreateFleet", "InternalError", status=500, times=4, after=True)
    with pytest.raises(UnreachableError):
        farm.launch(planned)
    assert len(aws.everything()["instances"]) == 1
    return planned


class Door:
    """Stands in for `open_link`: answers in turn with what it is given, the last thing for ever."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.knocks: list[dict[str, Any]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, **knock: Any) -> Any:
        self.knocks.append(knock)
        self.meanwhile()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer
