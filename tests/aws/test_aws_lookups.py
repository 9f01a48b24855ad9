# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked before anything is rented: machine type, image."""

from __future__ import annotations

import pytest

from cloudrender_addon.backend.aws.catalog import machine_type
from cloudrender_addon.backend.aws.images import NVIDIA_PARAMETER, PLAIN_PARAMETER, resolve_image
from cloudrender_addon.backend.errors import ConfigError, ImageError, NotOfferedError
from tests.aws.aws_stage import Stage, register_image


def test_type_with_a_gpu(aws: Stage) -> None:
    kind = machine_type(aws.account(), "g4dn.xlarge")
    assert (kind.name, kind.vcpus, kind.gpu) == ("g4dn.xlarge", 4, "NVIDIA T4")
    [(_, asked)] = aws.front.calls
    assert asked["InstanceType.1"] == "g4dn.xlarge"  # the list of all types takes seconds


def test_type_without_a_gpu(aws: Stage) -> None:
    kind = machine_type(aws.account(), "c5.large")
    assert (kind.vcpus, kind.gpu) == (2, None)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("nope.large", "no machine type nope.large in us-east-1"),
        ("t4g.micro", "Graviton"),
        ("g5g.xlarge", "Graviton"),
        ("mac1.metal", "x86_64_mac processor"),
    ],
)
def test_type_that_cannot_be_used(aws: Stage, name: str, cause: str) -> None:
    with pytest.raises(ConfigError, match=cause) as caught:
        machine_type(aws.account(), name)
    assert "g4dn.xlarge" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("g5.xlarg", "perhaps g5.xlarge or g5.4xlarge"),
        ("g4dn.8xlarg", "perhaps g4dn.8xlarge or g4dn.xlarge or g4dn.4xlarge"),
        ("blub.large", "perhaps r5b.large"),
    ],
)
def test_types_that_may_be_meant_can_run_blender(aws: Stage, name: str, near: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        machine_type(aws.account(), name)
    assert caught.value.hint.endswith(near)


@pytest.mark.parametrize(("sold", "asked", "other"), [("on-demand", False, "spot"), ("spot", True, "on-demand")])
def test_type_that_is_not_sold_that_way(aws: Stage, sold: str, asked: bool, other: str) -> None:
    answer = (
        "<DescribeInstanceTypesResponse><instanceTypeSet><item><instanceType>x9.huge</instanceType>"
        f"<supportedUsageClasses><item>{sold}</item></supportedUsageClasses>"
        "<processorInfo><supportedArchitectures><item>x86_64</item></supportedArchitectures></processorInfo>"
        "</item></instanceTypeSet></DescribeInstanceTypesResponse>"
    )
    aws.fault("ec2:DescribeInstanceTypes", body=answer)
    with pytest.raises(NotOfferedError, match=rf"x9\.huge is not sold as an? {other} machine") as caught:
        machine_type(aws.account(), "x9.huge", on_demand=asked)
    assert f"Purchase (--purchase) to {sold}" in caught.value.hint


@pytest.mark.parametrize(
    ("gpu", "parameter", "size"), [("NVIDIA T4", NVIDIA_PARAMETER, 75), (None, PLAIN_PARAMETER, 8)]
)
def test_newest_public_image_that_fits_the_machine(aws: Stage, gpu: str | None, parameter: str, size: int) -> None:
    image = resolve_image(aws.account(), image="auto", gpu=gpu)
    assert (image.id, image.root_device, image.size_gb) == (aws.images[parameter], "/dev/sda1", size)
    assert aws.count("ssm:GetParameter") == 1


def test_own_image(aws: Stage) -> None:
    own = register_image(aws.backend, name="own", size_gb=40)
    assert resolve_image(aws.account(), image=own, gpu="NVIDIA T4").size_gb == 40
    assert aws.count("ssm:GetParameter") == 0


@pytest.mark.parametrize("image", ["ami-0123456789abcdef0", "my-image"])
def test_image_that_does_not_exist_is_named(aws: Stage, image: str) -> None:
    with pytest.raises(ImageError, match=f"image {image} does not exist in us-east-1"):
        resolve_image(aws.account(), image=image, gpu=None)


def test_image_that_is_not_shared_with_the_account(aws: Stage) -> None:
    aws.fault("ec2:DescribeImages", body="<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>")
    with pytest.raises(ImageError, match="not yours"):
        resolve_image(aws.account(), image="ami-0123456789abcdef0", gpu=None)


def test_image_for_arm(aws: Stage) -> None:
    own = register_image(aws.backend, name="arm", size_gb=8, architecture="arm64")
    with pytest.raises(ImageError, match="arm64"):
        resolve_image(aws.account(), image=own, gpu=None)


def test_image_without_a_root_disk(aws: Stage) -> None:
    own = register_image(aws.backend, name="odd", size_gb=8, root_device="/dev/xvda", disk="/dev/sdb")
    with pytest.raises(ImageError, match="no EBS root disk"):
        resolve_image(aws.account(), image=own, gpu=None)


def test_region_without_the_public_image(aws: Stage) -> None:
    aws.fault("ssm:GetParameter", "ParameterNotFound")
    with pytest.raises(ImageError, match="no image with NVIDIA drivers in us-east-1") as caught:
        resolve_image(aws.account(), image="auto", gpu="NVIDIA T4")
    assert "region" in caught.value.hint


def test_gpu_for_which_there_is_no_ready_made_image(aws: Stage) -> None:
    with pytest.raises(ConfigError, match="AMD Radeon"):
        resolve_image(aws.account(), image="auto", gpu="AMD Radeon Pro V520")
    own = register_image(aws.backend, name="own", size_gb=40)
    assert resolve_image(aws.account(), image=own, gpu="AMD Radeon Pro V520").id == own
