# SPDX-License-Identifier: GPL-3.0-or-later
"""The EC2 farm: what is planned, what is rented, and how a machine is said to be."""

from __future__ import annotations

import base64
import dataclasses
import email
import stat
import sys
import time
from pathlib import Path

import pytest
import yaml

from cloudrender_addon.backend.aws.images import NVIDIA_PARAMETER, PLAIN_PARAMETER
from cloudrender_addon.backend.aws.session import Account
from cloudrender_addon.backend.errors import (
    ConfigError,
    NotOfferedError,
    QuotaError,
    RecordError,
    UnreachableError,
)
from cloudrender_addon.backend.farms.base import Farm, MachineState
from cloudrender_addon.backend.farms.ec2 import Ec2Farm, Ec2Settings
from tests.aws.aws_stage import CALLER, EMPTY, REGION, Stage, register_image
from tests.aws.ec2_rig import farm_on, hide_instances, lose_the_answer, rent, request


def test_it_is_a_farm(farm: Ec2Farm) -> None:
    seam: Farm = farm
    assert seam is farm


def test_plan_knows_everything_and_changes_nothing(aws: Stage, farm: Ec2Farm, tmp_path: Path) -> None:
    machine = farm.plan(request())
    assert machine.offer.image_id == aws.images[NVIDIA_PARAMETER]
    assert (machine.region, machine.offer.root_device) == (REGION, "/dev/sda1")
    assert machine.offer.volume_gb == 75 + 10 + 4  # image, Blender and frames, the project rounded up
    assert (machine.offer.vcpus, machine.offer.gpu) == (4, "NVIDIA T4")
    assert machine.offer.machine_usd > 0
    assert machine.offer.disk_usd == pytest.approx(89 * 0.08 / 730)
    assert machine.offer.address_usd == 0.005
    assert (machine.ssh_user, machine.ssh_port) == ("ubuntu", 22)
    assert machine.host_key.startswith("ssh-ed25519 AAAA")
    assert (tmp_path / "host_key-t1.pub").read_text().startswith(machine.host_key)
    assert machine.instance_id is None and machine.launched_at is None
    assert aws.everything() == EMPTY
    assert all("Describe" in action or action == "ssm:GetParameter" for action in aws.front.actions())
    for name in ("job_key", "host_key-t1"):
        path = tmp_path / name
        assert "PRIVATE KEY" in path.read_text()
        if sys.platform != "win32":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_plan_for_a_type_without_a_gpu(aws: Stage, farm: Ec2Farm) -> None:
    machine = farm.plan(request(machine="c5.large"))
    assert (machine.offer.image_id, machine.offer.gpu, machine.offer.volume_gb) == (
        aws.images[PLAIN_PARAMETER],
        None,
        8 + 10 + 4,
    )


def test_plan_for_a_gpu_whose_driver_the_machine_installs_has_room_for_it(aws: Stage, farm: Ec2Farm) -> None:
    offer = farm.plan(request(machine="p3dn.24xlarge")).offer
    assert (offer.image_id, offer.gpu, offer.volume_gb) == (aws.images[PLAIN_PARAMETER], "NVIDIA V100", 8 + 4 + 10 + 4)


def test_plan_with_own_settings(aws: Stage, tmp_path: Path) -> None:
    image = register_image(aws.backend, name="own", size_gb=30)
    machine = farm_on(aws, tmp_path, image=image, ssh_user="artist", ssh_port=2222).plan(request())
    assert (machine.offer.image_id, machine.ssh_user, machine.ssh_port) == (image, "artist", 2222)


def test_plan_of_an_on_demand_machine_has_its_full_price(farm: Ec2Farm) -> None:
    assert farm.plan(request(on_demand=True)).offer.machine_usd == pytest.approx(0.526)
    assert farm.plan(request(launch="t2")).offer.machine_usd < 0.2


def test_launch_of_an_on_demand_machine_is_released_like_any_other(aws: Stage, farm: Ec2Farm) -> None:
    machine = rent(farm, on_demand=True)
    [instance] = aws.account().ec2.describe_instances(InstanceIds=[str(machine.instance_id)])["Reservations"][0][
        "Instances"
    ]
    assert "InstanceLifecycle" not in instance
    farm.release(machine)
    assert aws.everything() == EMPTY


def own_group(aws: Stage, *, vpc: str | None = None) -> str:
    ec2 = aws.account().ec2
    vpc_id = vpc or ec2.describe_subnets()["Subnets"][0]["VpcId"]
    return ec2.create_security_group(GroupName="mine", Description="of the user", VpcId=vpc_id)["GroupId"]


def test_given_group_is_used_as_it_is(aws: Stage, tmp_path: Path) -> None:
    own = own_group(aws)
    before = aws.account().ec2.describe_security_groups(GroupIds=[own])["SecurityGroups"]
    aws.front.caller = "not an address"  # nobody asks
    farm = farm_on(aws, tmp_path, security_group=own)
    machine = rent(farm)
    assert machine.group_id is None
    [instance] = aws.account().ec2.describe_instances()["Reservations"][0]["Instances"]
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [own]
    assert aws.everything()["groups"] == [own]
    farm.release(machine)
    assert aws.everything() == {**EMPTY, "groups": [own]}
    assert aws.account().ec2.describe_security_groups(GroupIds=[own])["SecurityGroups"] == before


def test_given_group_that_cannot_be_used(aws: Stage, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="group sg-0123 does not exist in us-east-1"):
        farm_on(aws, tmp_path, security_group="sg-0123").plan(request())
    elsewhere = own_group(aws, vpc=aws.account().ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"])
    with pytest.raises(ConfigError, match=f"group {elsewhere} belongs to another network") as caught:
        farm_on(aws, tmp_path, security_group=elsewhere).plan(request())
    assert "Set Subnet (--subnet)" in caught.value.hint


def test_every_machine_proves_itself_by_a_key_of_its_own(farm: Ec2Farm) -> None:
    assert farm.plan(request()).host_key != farm.plan(request(launch="t2")).host_key


def test_plan_finds_what_would_prevent_the_launch(aws: Stage, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nope\.large"):
        farm_on(aws, tmp_path).plan(request(machine="nope.large"))
    with pytest.raises(ConfigError, match="not a user name"):
        farm_on(aws, tmp_path, ssh_user="$(reboot)").plan(request())
    with pytest.raises(ConfigError, match="subnet-9"):
        farm_on(aws, tmp_path, subnet="subnet-9").plan(request())
    aws.front.caller = "not an address"
    with pytest.raises(UnreachableError, match="public IPv4 address"):
        farm_on(aws, tmp_path).plan(request())
    assert aws.everything() == EMPTY


def test_account_without_a_region(aws: Stage, tmp_path: Path) -> None:
    farm = Ec2Farm(account=Account(profile=None, region=None), settings=Ec2Settings(), keys=tmp_path)
    with pytest.raises(ConfigError, match="No AWS region"):
        farm.plan(request())


def test_launch(aws: Stage, farm: Ec2Farm) -> None:
    before = time.time()
    machine = rent(farm)
    assert machine.instance_id is not None and machine.group_id is not None
    assert machine.zone in machine.offer.zone_usd
    assert machine.offer.machine_usd == machine.offer.zone_usd[machine.zone]
    assert machine.launched_at is not None and before <= machine.launched_at <= time.time()
    ec2 = aws.account().ec2
    [instance] = ec2.describe_instances(InstanceIds=[machine.instance_id])["Reservations"][0]["Instances"]
    assert instance["KeyName"] == "cloudrender-t1"
    assert [group["GroupId"] for group in instance["SecurityGroups"]] == [machine.group_id]
    [group] = ec2.describe_security_groups(GroupIds=[machine.group_id])["SecurityGroups"]
    assert [each["CidrIp"] for each in group["IpPermissions"][0]["IpRanges"]] == [f"{CALLER}/32"]
    [disk] = ec2.describe_volumes()["Volumes"]
    assert (disk["Size"], disk["Encrypted"]) == (89, True)
    tags = {"cloudrender:job": "job-1", "cloudrender:launch": "t1", "Name": "cloudrender job-1"}
    assert {tag["Key"]: tag["Value"] for tag in instance["Tags"]} == tags
    assert {tag["Key"]: tag["Value"] for tag in disk["Tags"]} == tags


def test_machine_is_told_its_host_key_and_its_end(aws: Stage, farm: Ec2Farm, tmp_path: Path) -> None:
    machine = rent(farm)
    raw = aws.account().ec2.describe_instance_attribute(InstanceId=str(machine.instance_id), Attribute="userData")
    message = email.message_from_bytes(base64.b64decode(raw["UserData"]["Value"]))
    config, script = (part.get_payload() for part in message.walk() if not part.is_multipart())
    keys = yaml.safe_load(str(config))["ssh_keys"]
    assert keys["ed25519_public"] == machine.host_key
    assert keys["ed25519_private"].strip() == (tmp_path / "host_key-t1").read_text().strip()
    assert "CR_LEASE=900" in str(script) and "CR_LIFETIME=3600" in str(script) and "CR_OWNER=ubuntu" in str(script)
    assert (tmp_path / "job_key").read_text().splitlines()[4] not in message.as_string()


def test_launch_again_gives_the_same_machine(aws: Stage, tmp_path: Path) -> None:
    planned = farm_on(aws, tmp_path).plan(request())
    first = farm_on(aws, tmp_path).launch(planned)  # each a client of its own, as after a crash
    second = farm_on(aws, tmp_path).launch(planned)
    assert second.instance_id == first.instance_id and second.group_id == first.group_id
    assert [len(ids) for ids in aws.everything().values()] == [1, 1, 1, 1, 1]
    asks = [parameters for action, parameters in aws.front.calls if action == "ec2:CreateFleet"]
    assert asks[0] == asks[1]  # else EC2 answers IdempotentParameterMismatch


def test_launch_without_the_keys(aws: Stage, farm: Ec2Farm, tmp_path: Path) -> None:
    planned = farm.plan(request())
    (tmp_path / "host_key-t1").unlink()
    with pytest.raises(RecordError):
        farm.launch(planned)
    assert aws.everything() == EMPTY


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("pending", MachineState.STARTING),
        ("running", MachineState.RUNNING),
        ("shutting-down", MachineState.GONE),
        ("terminated", MachineState.GONE),
        ("stopping", MachineState.GONE),
        ("stopped", MachineState.GONE),
    ],
)
def test_status(aws: Stage, farm: Ec2Farm, state: str, expected: MachineState) -> None:
    machine = rent(farm)
    [instance] = aws.backend.all_instances()
    instance._state.name = state
    instance.state_reason.code = "Server.SpotInstanceTermination"
    status = farm.status(machine)
    assert status.state is expected
    assert (status.reason, status.code) == ("AWS took the spot machine back", "Server.SpotInstanceTermination")
    assert status.reclaimed


def test_status_of_a_machine_that_was_never_launched(farm: Ec2Farm) -> None:
    assert farm.status(farm.plan(request())).state is MachineState.GONE


def test_status_of_a_machine_whose_id_was_not_recorded(aws: Stage, farm: Ec2Farm) -> None:
    planned = lose_the_answer(aws, farm)
    assert farm.status(planned).state is MachineState.RUNNING


def test_status_of_a_machine_that_ec2_does_not_know(aws: Stage, farm: Ec2Farm) -> None:
    machine = rent(farm)
    hide_instances(aws, times=2)
    assert farm.status(machine).state is MachineState.STARTING
    old = dataclasses.replace(machine, launched_at=time.time() - 3600)
    assert farm.status(old).state is MachineState.GONE


def test_plan_of_several_types_has_an_offer_of_each(aws: Stage, farm: Ec2Farm) -> None:
    machine = farm.plan(request(machine="g5.xlarge,c7i.4xlarge"))
    assert [offer.instance_type for offer in machine.offers] == ["g5.xlarge", "c7i.4xlarge"]
    assert [offer.gpu for offer in machine.offers] == ["NVIDIA A10G", None]
    assert [offer.image_id for offer in machine.offers] == [aws.images[NVIDIA_PARAMETER], aws.images[PLAIN_PARAMETER]]
    for offer in machine.offers:  # the dearest zone, so that limits of money hold wherever it will stand
        assert offer.machine_usd == max(offer.zone_usd.values())


def test_type_that_is_not_sold_as_spot_is_left_out_as_long_as_there_is_another(farm: Ec2Farm) -> None:
    machine = farm.plan(request(machine="t2.nano,c5.large"))
    assert [offer.instance_type for offer in machine.offers] == ["c5.large"]
    with pytest.raises(NotOfferedError, match=r"t2\.nano is not sold as a spot machine"):
        farm.plan(request(launch="t2", machine="t2.nano"))


def test_type_that_the_region_does_not_have_is_left_out_likewise(aws: Stage, farm: Ec2Farm) -> None:
    aws.fault(
        "ec2:DescribeInstanceTypes",
        "InvalidInstanceType",
        times=9,
        when=lambda asks: asks.get("InstanceType.1") == "g6e.xlarge",
    )
    assert [offer.instance_type for offer in farm.plan(request(machine="g6e.xlarge,c5.large")).offers] == ["c5.large"]
    with pytest.raises(NotOfferedError, match=r"does not offer g6e\.xlarge in us-east-1"):
        farm.plan(request(launch="t2", machine="g6e.xlarge"))
    with pytest.raises(ConfigError, match=r"no machine type g6\.xlagre"):  # a slip is told in any case
        farm.plan(request(launch="t3", machine="g6.xlagre,c5.large"))


def test_quota_that_is_too_small_is_told_with_what_that_type_needs(aws: Stage, farm: Ec2Farm) -> None:
    planned = farm.plan(request(machine="g4dn.12xlarge,g4dn.xlarge"))
    aws.front.quotas.values["L-3819A6DF"] = 0
    with pytest.raises(QuotaError, match=r"g4dn\.xlarge spot machine \(4 vCPUs\)"):
        farm.launch(planned)


def test_launch_of_several_types_gives_one_machine_of_one(aws: Stage, farm: Ec2Farm) -> None:
    machine = rent(farm, machine="g5.xlarge,g4dn.xlarge")
    assert len(machine.offers) == 1
    assert [i.instance_type for i in aws.backend.all_instances()] == [machine.offer.instance_type]
    assert len(aws.everything()["templates"]) == 2
    farm.release(machine)
    assert aws.everything() == EMPTY
