# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a machine comes from, by the real command: of which type, in which zone and region, and when."""

from __future__ import annotations

import pytest

from tests.cloud.command import Project, wait_for
from tests.localcloud.cloud import Cloud
from tests.localcloud.machine import Machine

TYPES = ("c7i.large", "c6i.large", "m7i.large")


def place(machine: Machine) -> tuple[str, str]:
    return machine.order.instance_type, machine.order.values["meta-data/placement/availability-zone"]


def sold_out(cloud: Cloud, region: str) -> None:
    for subnet in cloud.client("ec2", region=region).describe_subnets()["Subnets"]:
        cloud.faults.no_spot(subnet=subnet["SubnetId"])


@pytest.mark.blender
def test_type_that_is_free_is_rented_of_several(cloud: Cloud, project: Project) -> None:
    for name in TYPES[:2]:
        cloud.faults.no_spot(instance_type=name)
    result = project.run("-f", 1, "-c", ",".join(TYPES))
    assert result.code == 0, result.err
    assert [place(machine)[0] for machine in cloud.machines] == [TYPES[2]]
    assert f"{' or '.join(TYPES)} spot in us-east-1, at most $" in result.err
    assert f"is starting: {TYPES[2]} in us-east-1" in result.err


def test_every_type_and_zone_that_had_none_is_told(cloud: Cloud, project: Project) -> None:
    cloud.faults.no_spot()
    result = project.run("-f", 1, "-c", "c7i.large,c6i.large", "--wait-minutes", 0)
    assert result.code == 1 and "no c7i.large or c6i.large spot machine to give in us-east-1" in result.err
    for name in TYPES[:2]:
        assert f"{name} in us-east-1a, us-east-1b" in result.err and "none free (InsufficientInstance" in result.err
    assert cloud.machines == []


@pytest.mark.blender
def test_next_region_where_one_has_none(cloud: Cloud, project: Project) -> None:
    sold_out(cloud, "us-east-1")
    result = project.run("-f", 1, "-c", "c7i.large", "--region", "us-east-1,eu-west-1")
    assert result.code == 0, result.err
    assert [place(machine)[1][:-1] for machine in cloud.machines] == ["eu-west-1"]
    assert "us-east-1: AWS has no c7i.large spot machine" in result.err and "Left running: nothing" in result.err


@pytest.mark.blender
def test_machine_is_waited_for(cloud: Cloud, project: Project) -> None:
    cloud.faults.no_spot()
    running = project.start("-f", 1, "-c", "c7i.large")
    wait_for(lambda: "asking again for up to 9:" in running.said(), "the command to wait")
    cloud.faults.clear()
    result = running.wait()
    assert result.code == 0 and len(cloud.machines) == 1, result.err


@pytest.mark.blender
def test_machine_after_an_interruption_is_another_one_elsewhere(cloud: Cloud, project: Project) -> None:
    cloud.on_frames(2, lambda machine: cloud.interrupt(machine, notice=8.0))
    result = project.run("-a", "-e", 600, "-c", "c7i.large")
    assert result.code == 0, result.err
    one, two = map(place, cloud.machines)
    assert one != two
    assert len(project.pictures()) == 600
