# SPDX-License-Identifier: GPL-3.0-or-later
"""How a machine is bought, by the real command."""

from __future__ import annotations

import pytest

from tests.cloud.command import Project
from tests.localcloud.cloud import Cloud

SMALL = ("-f", 1, "-c", "c7i.large")


@pytest.mark.blender
def test_an_on_demand_machine_takes_over_where_no_spot_machine_is_to_be_had(cloud: Cloud, project: Project) -> None:
    cloud.faults.no_spot()
    result = project.run(*SMALL, "--purchase", "spot-then-on-demand")
    assert result.code == 0 and project.frames() == ["0001.png"], result.err
    assert [machine.order.spot for machine in cloud.machines] == [False]
    assert "c7i.large on-demand in us-east-1" in result.err and "Left running: nothing" in result.err


@pytest.mark.blender
def test_an_own_security_group_is_left_as_it_is(cloud: Cloud, project: Project) -> None:
    ec2 = cloud.client("ec2")
    vpc = ec2.describe_subnets()["Subnets"][0]["VpcId"]
    own = ec2.create_security_group(GroupName="mine", Description="of the user", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=own, CidrIp="127.0.0.0/8", IpProtocol="tcp", FromPort=0, ToPort=65535)
    before = ec2.describe_security_groups()["SecurityGroups"]
    result = project.run(*SMALL, "--purchase", "on-demand", "--security-group", own)
    assert result.code == 0, result.err
    assert [machine.order.spot for machine in cloud.machines] == [False]
    assert ec2.describe_security_groups()["SecurityGroups"] == before
    ec2.delete_security_group(GroupId=own)
    # The second time the command knows how long a frame takes.
    assert "is not known yet" in result.err
    assert "1 frame will take about 3:0" in project.run(*SMALL).err


def test_without_a_fall_back_the_job_ends_when_no_spot_machine_is_to_be_had(cloud: Cloud, project: Project) -> None:
    cloud.faults.no_spot()
    result = project.run(*SMALL, "--wait-minutes", 0)
    assert result.code == 1 and "has no c7i.large spot machine to give" in result.err
    assert cloud.machines == []


def test_a_quota_of_zero_for_on_demand_machines_is_named(cloud: Cloud, project: Project) -> None:
    cloud.faults.api("RunInstances", "VcpuLimitExceeded", times=4)
    result = project.run(*SMALL, "--purchase", "on-demand")
    assert result.code == 1 and "Running On-Demand Standard" in result.err and "L-1216C47A" in result.err


def test_an_on_demand_machine_of_unknown_price_is_not_rented(cloud: Cloud, project: Project) -> None:
    cloud.faults.api("GetProducts", "AccessDeniedException", times=4)
    result = project.run(*SMALL, "--purchase", "on-demand")
    assert result.code == 1 and "lacks the right pricing:GetProducts" in result.err
    assert cloud.machines == []
