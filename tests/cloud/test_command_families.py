# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender -c TYPE` with Automatic, from the command to the frame, where it is not as on a G4dn or a C7i.

Which image each type begins with: aws/test_families.py. How the driver comes there: instance/test_agent_driver.py.
"""

from __future__ import annotations

import json

import pytest

from tests.cloud.command import Project
from tests.cloud.test_command_refuses import check_explained
from tests.localcloud.cloud import Cloud
from tests.localcloud.machine import Machine
from tests.localcloud.renting import NVIDIA, UBUNTU


def scene(machine: Machine) -> dict[str, str]:
    events = [json.loads(line) for line in machine.event_log.read_text().splitlines()]
    return next(event for event in events if event["event"] == "scene")


def image(machine: Machine) -> str:
    return machine.order.values["meta-data/ami-id"]


@pytest.mark.parametrize(
    ("name", "begins_with", "device"),
    [
        ("p3.2xlarge", UBUNTU, "NVIDIA V100 (stand-in) (OPTIX)"),
        ("p4d.24xlarge", NVIDIA, "NVIDIA A100 (stand-in) (OPTIX)"),
    ],
)
def test_a_frame_from_each_kind_of_machine(
    cloud: Cloud, project: Project, name: str, begins_with: str, device: str
) -> None:
    cloud.quotas.values["L-7212CCBC"] = 96  # P4d has so many vCPUs
    result = project.run("-f", 1, "-c", name)
    assert result.code == 0, result.err
    [machine] = cloud.machines
    assert machine.order.instance_type == name and image(machine) == begins_with
    assert f"renders on {device}" in result.err
    assert ("Installing the NVIDIA driver" in result.err) == (name == "p3.2xlarge")
    assert project.frames() == ["0001.png"]


def test_the_public_driver_does_not_drive_what_is_older(cloud: Cloud, project: Project) -> None:
    result = project.run("-f", 1, "-c", "p3.2xlarge", "--image", NVIDIA)
    check_explained(result, 1, "Blender sees none (the NVIDIA driver: No devices were found)", "automatic")
    assert project.frames() == [] and cloud.leftovers() == []


def test_a_driver_that_cannot_be_installed_ends_the_machine(cloud: Cloud, project: Project) -> None:
    cloud.lacking_packages = ("nvidia-utils",)
    result = project.run("-f", 1, "-c", "p3.2xlarge")
    words = "The NVIDIA driver cannot be installed: E: Unable to locate package nvidia-utils-580-server"
    check_explained(result, 1, words, "--image")
    assert cloud.leftovers() == []


def test_an_image_for_p3_is_for_p3_alone(cloud: Cloud, project: Project) -> None:
    built = project.run("image", "build", "--family", "p3", "--blender", "4.2")
    assert built.code == 0 and "Installing the NVIDIA driver" in built.err, built.err
    assert image(cloud.machines[0]) == UBUNTU
    own = cloud.client("ec2").describe_images(Owners=["self"])["Images"][0]["ImageId"]
    result = project.run("-f", 1, "-c", "p3.2xlarge")
    assert result.code == 0 and "Installing" not in result.err, result.err
    assert image(cloud.machines[1]) == own and scene(cloud.machines[1])["device"] == "OPTIX"
    other = project.run("check-setup", "-c", "p5.4xlarge").out
    assert f"({NVIDIA}" in other and own not in other
    assert project.run("image", "delete", "-y", own).code == 0
