# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender clean-up` by the real command: what is ours, wherever it is and whatever it costs, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.command import Project
from tests.cloud.test_layers import killed_while
from tests.localcloud.catalogue import IMAGES
from tests.localcloud.cloud import REGION, Cloud
from tests.localcloud.renting import wait_until

pytestmark = pytest.mark.blender

ELSEWHERE = "eu-west-1"


def neighbours(cloud: Cloud, region: str = REGION) -> tuple[Any, dict[str, str]]:
    """Make one of everything that is not ours, named as ours are; return the client and their ids."""
    ec2 = cloud.client("ec2", region=region)
    name = "cloudrender-theirs"
    tags = [{"Key": "Name", "Value": name}, {"Key": "cloudrender", "Value": "job"}]
    machine = ec2.run_instances(
        ImageId=IMAGES[1].id_in(region),
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"][0]["InstanceId"]
    template = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "t3.micro"})
    return ec2, {
        "machine": machine,
        "volume": ec2.create_volume(AvailabilityZone=f"{region}a", Size=8)["VolumeId"],
        "key": ec2.create_key_pair(KeyName=name)["KeyName"],
        "group": ec2.create_security_group(GroupName=name, Description="theirs")["GroupId"],
        "template": template["LaunchTemplate"]["LaunchTemplateId"],
    }


def check_untouched(ec2: Any, theirs: dict[str, str]) -> None:
    found = ec2.describe_instances(InstanceIds=[theirs["machine"]])["Reservations"][0]["Instances"][0]
    assert found["State"]["Name"] in ("pending", "running")
    assert ec2.describe_volumes(VolumeIds=[theirs["volume"]])["Volumes"][0]["State"] == "available"
    assert ec2.describe_key_pairs(KeyNames=[theirs["key"]])["KeyPairs"]
    assert ec2.describe_security_groups(GroupIds=[theirs["group"]])["SecurityGroups"]
    assert ec2.describe_launch_templates(LaunchTemplateIds=[theirs["template"]])["LaunchTemplates"]


def remove(ec2: Any, theirs: dict[str, str]) -> None:
    ec2.terminate_instances(InstanceIds=[theirs["machine"]])
    ec2.delete_volume(VolumeId=theirs["volume"])
    ec2.delete_key_pair(KeyName=theirs["key"])
    ec2.delete_launch_template(LaunchTemplateId=theirs["template"])

    def ended() -> bool:
        found = ec2.describe_instances(InstanceIds=[theirs["machine"]])["Reservations"][0]["Instances"][0]
        return found["State"]["Name"] == "terminated"

    wait_until(ended, what="the end of the neighbour")
    ec2.delete_security_group(GroupId=theirs["group"])


def forget_everything() -> None:
    """Be another computer, on which no job was ever started."""
    shutil.rmtree(Path(os.environ["CLOUDRENDER_HOME"]))


def test_ours_with_age_and_cost_and_nothing_of_the_neighbours(cloud: Cloud, project: Project) -> None:
    killed_while(project, "Rendering")
    [ours] = cloud.machines
    ec2, theirs = neighbours(cloud)
    forget_everything()
    listed = project.run("clean-up")
    assert listed.code == 1 and "Nothing was changed" in listed.err
    assert not any(each in listed.err for each in theirs.values())
    [machine] = [line for line in listed.err.splitlines() if ours.id in line]
    assert re.search(rf"{REGION}  job \S+  age 0:\d\d +running  g4dn\.xlarge  \$0\.\d{{3}} an hour", machine), machine
    assert re.search(r"In all about \$0\.\d\d so far; it goes on at \$0\.\d{3} an hour", listed.err)
    assert ours.processes()
    done = project.run("clean-up", "-y")
    assert done.code == 0 and f"Left running in {REGION}: nothing" in done.err, done.err
    assert not ours.processes()
    check_untouched(ec2, theirs)
    remove(ec2, theirs)


def test_in_the_region_that_this_computer_remembers(cloud: Cloud, project: Project) -> None:
    running = project.start("-a", "-e", 4000, "--region", ELSEWHERE)
    wait_until(lambda: "Rendering" in running.said(), seconds=120, what="the render")
    running.kill()
    done = project.run("clean-up", "-y")
    assert done.code == 0 and f"Left running in {REGION}, {ELSEWHERE}: nothing" in done.err, done.err
    assert "cancelled" in project.run("jobs").out


def test_in_a_region_that_nobody_remembers(cloud: Cloud, project: Project) -> None:
    running = project.start("-a", "-e", 4000, "--region", ELSEWHERE)
    wait_until(lambda: "Rendering" in running.said(), seconds=120, what="the render")
    running.kill()
    forget_everything()
    assert f"Nothing of cloudrender is left running in {REGION}" in project.run("clean-up").err
    done = project.run("clean-up", "--all-regions", "-y")
    assert done.code == 0 and cloud.machines[0].id in done.err, done.err
    assert re.search(r"Left running in \d\d regions: nothing", done.err)
    assert [action for _, action in cloud.calls].count("DescribeRegions") == 1
