# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of each family of machines: the image that Automatic begins with, the recipe, or one line why not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from cloudrender_addon.backend.aws.arm import is_arm
from cloudrender_addon.backend.aws.catalog import machine_type
from cloudrender_addon.backend.aws.images import (
    DRIVER_GB,
    NVIDIA_PARAMETER,
    PLAIN_PARAMETER,
    image_kind,
    resolve_image,
)
from cloudrender_addon.backend.baking.families import FAMILIES, builder_type, families_of, kind_of
from cloudrender_addon.backend.errors import CloudrenderError, UsageError
from cloudrender_addon.backend.settings import Settings
from cloudrender_addon.instance import KINDS, recipe_files
from tests.aws.aws_stage import Stage, register_image
from tests.aws.test_check_setup import check, states
from tests.localcloud import catalogue

CPU_FAMILIES = [f"{letter}{number}{maker}" for letter in "cm" for number in "678" for maker in "ia"]
GRAVITON = [f"{letter}{number}g" for letter in "cm" for number in "678"] + ["g5g", "t4g", "c7gn", "m8gd", "a1", "r9g"]

WITH_GPU = {
    "g4dn.xlarge": ("NVIDIA T4", "g"),
    "g4dn.metal": ("NVIDIA T4", "g"),
    "g5.xlarge": ("NVIDIA A10G", "g"),
    "g6.xlarge": ("NVIDIA L4", "g"),
    "gr6.4xlarge": ("NVIDIA L4", "g"),
    "g6e.xlarge": ("NVIDIA L40S", "g"),
    "g7.2xlarge": ("NVIDIA RTX PRO 4500", "g"),
    "g7e.2xlarge": ("NVIDIA RTX PRO Server 6000", "g"),
    "p3.2xlarge": ("NVIDIA V100", "p3"),
    "p3.8xlarge": ("NVIDIA V100", "p3"),
    "p3.16xlarge": ("NVIDIA V100", "p3"),
    "p3dn.24xlarge": ("NVIDIA V100", "p3"),
    "p4d.24xlarge": ("NVIDIA A100", "p"),
    "p4de.24xlarge": ("NVIDIA A100", "p"),
    "p5.4xlarge": ("NVIDIA H100", "p"),
    "p5.48xlarge": ("NVIDIA H100", "p"),
    "p5e.48xlarge": ("NVIDIA H200", "p"),
    "p5en.48xlarge": ("NVIDIA H200", "p"),
    "p6-b200.48xlarge": ("NVIDIA B200", "p"),
    "p6-b300.48xlarge": ("NVIDIA B300", "p"),
}

REFUSED = {
    "g4ad.xlarge": "no ready-made image with drivers for AMD Radeon Pro V520",
    "g6f.xlarge": "no ready-made image with drivers for NVIDIA L4 part",
    "gr6f.4xlarge": "no ready-made image with drivers for NVIDIA L4 part",
    "inf2.xlarge": "accelerators of inf2.xlarge are of no use to Blender",
    "trn1.2xlarge": "accelerators of trn1.2xlarge are of no use to Blender",
    "f2.6xlarge": "accelerators of f2.6xlarge are of no use to Blender",
    "vt1.3xlarge": "accelerators of vt1.3xlarge are of no use to Blender",
    "mac1.metal": "mac1.metal has an x86_64_mac processor",
    "mac2.metal": "mac2.metal has an arm64_mac processor",
    **{f"{family}.large": f"{family}.large has a Graviton (ARM) processor" for family in GRAVITON},
}


@pytest.fixture(autouse=True)
def all_sold() -> Iterator[None]:
    """Let the region sell what it hardly sells any more."""
    with catalogue.selling(catalogue.older_types()):
        yield


@pytest.mark.parametrize("name", WITH_GPU)
def test_what_a_machine_with_a_gpu_begins_with(aws: Stage, name: str) -> None:
    gpu, kind = WITH_GPU[name]
    found = machine_type(aws.account(), name, on_demand=True)
    assert (found.gpu, image_kind(found.gpu)) == (gpu, kind)
    image = resolve_image(aws.account(), image="auto", gpu=found.gpu)
    plain = kind == "p3"
    assert image.id == aws.images[PLAIN_PARAMETER if plain else NVIDIA_PARAMETER]
    assert image.brings_driver is not plain
    assert image.disk_gb == (8 + DRIVER_GB if plain else 75)


@pytest.mark.parametrize("family", [*CPU_FAMILIES, "c7i-flex", "c6id", "r7i", "t3"])
def test_what_a_machine_without_gpu_begins_with(aws: Stage, family: str) -> None:
    found = machine_type(aws.account(), f"{family}.large")
    assert found.gpu is None and image_kind(None) == "cpu"
    image = resolve_image(aws.account(), image="auto", gpu=None)
    assert (image.id, image.disk_gb) == (aws.images[PLAIN_PARAMETER], 8)


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_machine_is_rented_of(aws: Stage, name: str) -> None:
    with pytest.raises(CloudrenderError, match=re.escape(REFUSED[name])) as caught:
        resolve_image(aws.account(), image="auto", gpu=machine_type(aws.account(), name).gpu)
    assert "Type (-c)" in caught.value.hint


def test_an_image_of_ones_own_may_have_any_driver(aws: Stage) -> None:
    own = register_image(aws.backend, name="vgpu", size_gb=20)
    gpu = machine_type(aws.account(), "g6f.xlarge").gpu
    found = resolve_image(aws.account(), image=own, gpu=gpu)
    assert (found.id, found.brings_driver, found.disk_gb) == (own, False, 20 + DRIVER_GB), "nobody knows: room for one"
    assert resolve_image(aws.account(), image=own, gpu=None).disk_gb == 20


@pytest.mark.parametrize("family", FAMILIES)
def test_there_is_a_recipe_for_each_family(aws: Stage, family: str) -> None:
    kind = image_kind(machine_type(aws.account(), builder_type(family), on_demand=True).gpu)
    assert kind in KINDS and f"bake_{kind}.sh" in recipe_files()
    assert kind_of(family) == kind and family in families_of(kind)


def test_the_families_are_those_that_are_promised() -> None:
    promised = {"g4dn", "g5", "g6", "g6e", "g7e", "p3", "p3dn", "p4d", "p4de", "p5", "p5e", "p5en", *CPU_FAMILIES}
    assert promised <= set(FAMILIES)


@pytest.mark.parametrize(
    "family",
    [*GRAVITON, "g4ad", "g6f.xlarge", "gr6f", "inf2", "trn1", "f2", "vt1", "dl1", "p2", "mac2.metal"],
)
def test_there_is_no_recipe(family: str) -> None:
    with pytest.raises(UsageError, match=family) as caught:
        builder_type(family)
    assert ("Graviton" in caught.value.message) == is_arm(family)
    assert any(each in caught.value.hint for each in ("c7i", "g4dn"))


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("c7g.4xlarge", "c7i.4xlarge"),
        ("m8gd.medium", "m8i.large"),
        ("c6gn.metal", "c6i.large"),
        ("g5g.xlarge", "g4dn.xlarge"),
        ("p6e-gb200.36xlarge", "g4dn.xlarge"),
    ],
)
def test_what_to_take_instead_of_graviton(aws: Stage, name: str, instead: str) -> None:
    with pytest.raises(CloudrenderError, match="Graviton") as caught:
        machine_type(aws.account(), name)
    assert instead in caught.value.hint and not aws.front.calls, "nobody needs to be asked"


@pytest.mark.parametrize("types", ["c7g.large", "c7g.large,c7i.large", "c7i.large,c7g.large"])
def test_check_setup_refuses_what_a_render_refuses(aws: Stage, tmp_path: Any, types: str) -> None:
    results = check(aws, tmp_path, instance_type=types)
    assert states(results)["Machine Type"] == "failed"
    assert "c7g.large has a Graviton (ARM) processor" in results["Machine Type"].text
    assert len(Settings(home=tmp_path, instance_type=types).instance_types) == len(types.split(","))


def test_check_setup_says_that_the_driver_comes_later(aws: Stage, tmp_path: Any) -> None:
    text = check(aws, tmp_path, instance_type="p3.2xlarge", purchase="on-demand")["Image"].text
    assert text.startswith("Automatic: Ubuntu that gets NVIDIA drivers (ami-") and text.endswith("8 GB)")
