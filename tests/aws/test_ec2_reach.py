# SPDX-License-Identifier: GPL-3.0-or-later
"""From "launched" to "it answers": a machine is waited for, and its end is told from its silence."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import (
    Cancelled,
    HostKeyError,
    LinkError,
    MachineGoneError,
    PermissionsError,
)
from cloudrender_addon.backend.farms import ec2_reach
from cloudrender_addon.backend.farms.ec2 import Ec2Farm
from tests.aws.aws_stage import CALLER, EMPTY, REGION, Stage
from tests.aws.ec2_rig import LINK, REFUSED, Door, farm_on, hide_instances, lose_the_answer, rent, soon


def test_connect(aws: Stage, farm: Ec2Farm, door: Callable[..., Door], tmp_path: Path) -> None:
    machine, cancel = rent(farm), CancelToken()
    opened = door(LINK)
    reached, link = farm.connect(machine, cancel=cancel, deadline=soon())
    [instance] = aws.backend.all_instances()
    assert link is LINK
    assert reached == dataclasses.replace(machine, address=instance.public_ip, running_at=reached.running_at)
    assert reached.running_at is not None and abs(reached.running_at - time.time()) < 60
    [knock] = opened.knocks
    assert knock.pop("timeout") == pytest.approx(10, abs=1)
    assert knock == {
        "address": instance.public_ip,
        "port": 22,
        "user": "ubuntu",
        "key_file": tmp_path / "job_key",
        "host_key": machine.host_key,
        "cancel": cancel,
    }


def test_machine_that_boots_is_waited_for(aws: Stage, farm: Ec2Farm, door: Callable[..., Door]) -> None:
    machine = rent(farm)
    hide_instances(aws, times=1)
    opened = door(REFUSED, REFUSED, LINK)
    _, link = farm.connect(machine, cancel=CancelToken(), deadline=soon())
    assert link is LINK
    assert len(opened.knocks) == 3


def test_machine_whose_id_was_not_recorded_is_connected_to(
    aws: Stage, farm: Ec2Farm, door: Callable[..., Door]
) -> None:
    planned = lose_the_answer(aws, farm)
    door(LINK)
    reached, _ = farm.connect(planned, cancel=CancelToken(), deadline=soon())
    assert [reached.instance_id] == aws.everything()["instances"]


def test_network_that_is_down_for_a_moment(aws: Stage, farm: Ec2Farm, door: Callable[..., Door]) -> None:
    machine = rent(farm)
    aws.fault("ec2:DescribeInstances", "Unavailable", status=503, times=5)
    door(LINK)
    assert farm.connect(machine, cancel=CancelToken(), deadline=soon())[1] is LINK


def test_missing_right_is_not_waited_out(aws: Stage, farm: Ec2Farm) -> None:
    machine = rent(farm)
    aws.fault("ec2:DescribeInstances", "UnauthorizedOperation", status=403)
    with pytest.raises(PermissionsError):
        farm.connect(machine, cancel=CancelToken(), deadline=soon())


def test_machine_without_an_address(aws: Stage, farm: Ec2Farm) -> None:
    machine = rent(farm)
    hide_instances(aws, times=99)
    with pytest.raises(LinkError, match="no address yet"):
        farm.connect(machine, cancel=CancelToken(), deadline=soon(0.4))


def test_machine_in_a_private_subnet_is_reached_by_its_private_address(
    aws: Stage, tmp_path: Path, door: Callable[..., Door]
) -> None:
    ec2 = aws.account().ec2
    vpc = ec2.create_vpc(CidrBlock="127.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.0.1.0/24", AvailabilityZone=f"{REGION}a")["Subnet"]["SubnetId"]
    farm = farm_on(aws, tmp_path, subnet=subnet)
    machine = rent(farm)
    assert machine.offer.address_usd == 0.0
    door(LINK)
    reached, _ = farm.connect(machine, cancel=CancelToken(), deadline=soon())
    [instance] = aws.backend.all_instances()
    assert instance.subnet_id == subnet
    assert reached.address == instance.private_ip
    [group] = ec2.describe_security_groups(GroupIds=[str(machine.group_id)])["SecurityGroups"]
    assert [each["CidrIp"] for each in group["IpPermissions"][0]["IpRanges"]] == ["127.0.0.1/32"]
    farm.release(machine)
    assert aws.everything() == EMPTY


def test_deadline(farm: Ec2Farm, door: Callable[..., Door]) -> None:
    machine = rent(farm)
    door(REFUSED)
    began = time.monotonic()
    with pytest.raises(LinkError, match=r"did not answer within .* s: Connection refused") as caught:
        farm.connect(machine, cancel=CancelToken(), deadline=soon(0.5))
    assert 0.5 <= time.monotonic() - began < 5
    assert "port 22" in caught.value.hint
    assert caught.value.__cause__ is REFUSED


def test_stranger_at_the_door_is_never_tried_again(farm: Ec2Farm, door: Callable[..., Door]) -> None:
    machine = rent(farm)
    opened = door(HostKeyError("not the machine we started"))
    with pytest.raises(HostKeyError):
        farm.connect(machine, cancel=CancelToken(), deadline=soon())
    assert len(opened.knocks) == 1


def test_cancel_is_heard_while_waiting(farm: Ec2Farm, door: Callable[..., Door]) -> None:
    machine, cancel = rent(farm), CancelToken()
    opened = door(REFUSED)
    opened.meanwhile = lambda: len(opened.knocks) == 2 and cancel.cancel()
    with pytest.raises(Cancelled):
        farm.connect(machine, cancel=cancel, deadline=soon(60))
    assert len(opened.knocks) == 2


def test_machine_that_is_gone_already(aws: Stage, farm: Ec2Farm) -> None:
    machine = rent(farm)
    [instance] = aws.backend.all_instances()
    instance.terminate()
    instance.state_reason.code = "Server.SpotInstanceTermination"
    with pytest.raises(MachineGoneError, match="AWS took the spot machine back") as caught:
        farm.connect(machine, cancel=CancelToken(), deadline=soon())
    assert caught.value.details == ("Server.SpotInstanceTermination",)
    assert caught.value.reclaimed


def test_machine_that_goes_while_it_is_waited_for(
    aws: Stage, farm: Ec2Farm, door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ec2_reach, "_LOOK_EVERY", 0.1)
    machine = rent(farm)
    opened = door(REFUSED)
    opened.meanwhile = aws.backend.all_instances()[0].terminate
    with pytest.raises(MachineGoneError, match="ended from outside") as caught:
        farm.connect(machine, cancel=CancelToken(), deadline=soon(60))
    assert not caught.value.reclaimed


def test_laptop_that_has_moved_does_not_change_a_given_group(
    aws: Stage, tmp_path: Path, door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ec2_reach, "_MOVED_EVERY", 0.0)
    ec2 = aws.account().ec2
    own = ec2.create_security_group(
        GroupName="mine", Description="-", VpcId=ec2.describe_subnets()["Subnets"][0]["VpcId"]
    )
    farm = farm_on(aws, tmp_path, security_group=own["GroupId"])
    machine = rent(farm)
    door(REFUSED, REFUSED, LINK)
    assert farm.connect(machine, cancel=CancelToken(), deadline=soon(60))[1] is LINK
    assert aws.count("ec2:AuthorizeSecurityGroupIngress") == 0


def test_laptop_that_has_moved_is_let_in(
    aws: Stage, farm: Ec2Farm, door: Callable[..., Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ec2_reach, "_MOVED_EVERY", 0.1)
    machine = rent(farm)
    aws.front.caller = "198.51.100.9"

    def ranges() -> list[str]:
        [group] = aws.account().ec2.describe_security_groups(GroupIds=[str(machine.group_id)])["SecurityGroups"]
        return [each["CidrIp"] for each in group["IpPermissions"][0]["IpRanges"]]

    opened = door(REFUSED)
    opened.meanwhile = lambda: "198.51.100.9/32" in ranges() and opened.answers.append(LINK)
    assert farm.connect(machine, cancel=CancelToken(), deadline=soon(60))[1] is LINK
    assert ranges() == [f"{CALLER}/32", "198.51.100.9/32"]
