# SPDX-License-Identifier: GPL-3.0-or-later
"""The types offered are what DescribeInstanceTypes says (moto's tables are AWS's own answers)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cloudrender_addon.backend.aws.catalog import machine_type
from cloudrender_addon.backend.aws.choices import CHOICES, MachineChoice
from tests.aws.aws_stage import Stage

_NAMES_IN_EC2 = {"NVIDIA RTX PRO 6000": "NVIDIA RTX PRO Server 6000"}


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_choice_is_what_ec2_says(aws: Stage, choice: MachineChoice) -> None:
    [found] = aws.account().ec2.describe_instance_types(InstanceTypes=[choice.name])["InstanceTypes"]  # type: ignore[list-item]
    assert found["VCpuInfo"]["DefaultVCpus"] == choice.vcpus
    assert found["MemoryInfo"]["SizeInMiB"] == choice.memory_gb * 1024
    gpus = found.get("GpuInfo", {}).get("Gpus", [])
    if not choice.gpu:
        assert (gpus, choice.gpus, choice.gpu_memory_gb, choice.speed) == ([], 0, 0, None)
        return
    [gpu] = gpus
    assert f"{gpu['Manufacturer']} {gpu['Name']}" == _NAMES_IN_EC2.get(choice.gpu, choice.gpu)
    assert gpu["Count"] == choice.gpus
    # EC2 tells what is left of it: 22,888 MiB of the 24 GB of an L4.
    assert 0.9 <= gpu["MemoryInfo"]["SizeInMiB"] / (choice.gpu_memory_gb * 1024) <= 1


def test_every_choice_can_be_rented_either_way(aws: Stage) -> None:
    for choice in (CHOICES[0], CHOICES[-1]):
        for on_demand in (False, True):
            assert machine_type(aws.account(), choice.name, on_demand=on_demand).vcpus == choice.vcpus


def test_choices_are_listed_without_the_library_of_aws() -> None:
    code = "import sys; import cloudrender_addon.backend.aws.choices; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_choice_twice() -> None:
    assert len({choice.name for choice in CHOICES}) == len(CHOICES)
