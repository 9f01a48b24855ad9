# SPDX-License-Identifier: GPL-3.0-or-later
"""What machine images are made for and of: families, the record of a build, what a recipe says."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.aws.disk_keys import DEFAULT_KEY, DiskKey, Encryption
from cloudrender_addon.backend.aws.image_sharing import Behind
from cloudrender_addon.backend.aws.images import image_kind
from cloudrender_addon.backend.aws.machine_images import Contents, MachineImage
from cloudrender_addon.backend.aws.session import Account
from cloudrender_addon.backend.baking import words
from cloudrender_addon.backend.baking.families import FAMILIES, builder_type
from cloudrender_addon.backend.baking.record import BuildFolder, BuildRecord, BuildStore
from cloudrender_addon.backend.baking.said import Said
from cloudrender_addon.backend.baking.tidying import end_left_build
from cloudrender_addon.backend.clock import now
from cloudrender_addon.backend.errors import ConfigError, GpuError, MachineError, RecordError, UsageError
from cloudrender_addon.backend.farms.base import Machine, MachineRequest, Offer
from cloudrender_addon.backend.known_regions import known_regions
from cloudrender_addon.backend.settings import Settings


def test_a_family_is_built_on_its_smallest_sensible_machine() -> None:
    assert builder_type("g4dn") == "g4dn.xlarge"
    assert builder_type("C7I") == "c7i.large"
    assert builder_type("g5.4xlarge") == "g5.4xlarge"
    for family in ("g5", "g6", "g6e", "g7e", "p3", "p5", "c6i", "m8a"):
        assert family in FAMILIES


def test_a_family_that_is_misspelt() -> None:
    with pytest.raises(UsageError, match="g4d") as error:
        builder_type("g4d")
    assert "g4dn" in error.value.hint


@pytest.mark.parametrize(
    ("gpu", "kind"),
    [
        (None, "cpu"),
        ("NVIDIA T4", "g"),
        ("NVIDIA L40S", "g"),
        ("NVIDIA V100", "p3"),
        ("NVIDIA H100", "p"),
        ("NVIDIA M60", "p3"),
        ("NVIDIA B200", "p"),
        ("NVIDIA RTX PRO Server 6000", "g"),
    ],
)
def test_the_gpu_says_which_recipe(gpu: str | None, kind: str) -> None:
    assert image_kind(gpu) == kind


@pytest.mark.parametrize("gpu", ["AMD Radeon Pro V520", "Habana Gaudi HL-205", "NVIDIA L4 part", "NVIDIA K80"])
def test_a_gpu_without_a_recipe(gpu: str) -> None:
    with pytest.raises(ConfigError, match=gpu):
        image_kind(gpu)


def a_machine() -> Machine:
    request = MachineRequest(
        job_id="image-1",
        token="image-1-a",
        instance_types=("g4dn.xlarge",),
        region="us-east-1",
        disk_bytes=1,
        lifetime_seconds=60,
        lease_seconds=60,
        on_demand=True,
    )
    offer = Offer(
        instance_type="g4dn.xlarge",
        vcpus=4,
        gpu="NVIDIA T4",
        image_id="ami-1",
        root_device="/dev/sda1",
        volume_gb=87,
        machine_usd=0.5,
        disk_usd=0.01,
        address_usd=0.005,
        lifetime_seconds=60,
    )
    return Machine(request=request, region="us-east-1", offers=(offer,), ssh_user="u", ssh_port=22, host_key="k")


def a_record(home: Path) -> BuildRecord:
    settings = Settings(home=home, region="us-east-1", image="public")
    return BuildRecord(build_id="image-1", instance_type="g4dn.xlarge", blender=("4.2", "4.5.15"), settings=settings)


def test_a_record_comes_back_as_it_was_and_is_gone_when_nothing_is_left(tmp_path: Path) -> None:
    store = BuildStore(tmp_path)
    with store.create(a_record(tmp_path)) as folder:
        assert folder.locked() and [each.build_id for each in store.folders()] == ["image-1"]
        key = Encryption(key="arn:aws:kms:us-east-1:123456789012:key/1")
        whole = replace(
            a_record(tmp_path), machine=a_machine(), image_id="ami-1", encryption=key, share=("111122223333",)
        )
        folder.save(whole)
        assert folder.load() == whole
        older = json.loads((folder.path / "record.json").read_text())
        del older["encryption"], older["share"]
        (folder.path / "record.json").write_text(json.dumps(older))
        assert folder.load() == replace(whole, encryption=DEFAULT_KEY, share=())
        folder.forget()
        assert store.folders() == ()
    assert not folder.path.exists()


def test_a_record_of_a_build_that_failed_to_end_stays(tmp_path: Path) -> None:
    store = BuildStore(tmp_path)
    with pytest.raises(RuntimeError), store.create(a_record(tmp_path)):
        raise RuntimeError
    [left] = store.folders()
    assert not left.locked() and left.load() == a_record(tmp_path)
    assert store.left() == {"image-1": a_record(tmp_path)}
    with left.lock():
        assert store.left() == {}, "a client drives it"
    (left.path / "record.json").write_text('{"version": 2}')
    with pytest.raises(RecordError, match="another version"):
        left.load()
    assert store.left() == {"image-1": None}


def test_what_was_left_half_way_in_words(tmp_path: Path) -> None:
    record = a_record(tmp_path)
    assert words.half_way("image-1", record) == "The image build image-1 was left half-way"
    rented = replace(record, machine=a_machine())
    assert words.half_way("image-1", rented).endswith(": its machine costs up to $0.52 an hour")
    assert "cannot be read" in words.half_way("image-1", None)
    assert words.half_way("image-1", replace(record, instance_type="")).startswith(
        "The copy of an image into us-east-1"
    )


def test_the_regions_of_images_are_known_when_their_builds_have_ended(tmp_path: Path) -> None:
    account, settings = Account(profile=None, region="us-west-2"), Settings(home=tmp_path, region="us-west-2")
    assert known_regions(account, settings) == ("us-west-2",)
    with BuildStore(tmp_path).create(a_record(tmp_path)) as folder:
        folder.forget()
    (tmp_path / "image-regions" / ".DS_Store").touch()
    assert known_regions(account, settings) == ("us-west-2", "us-east-1")


def test_a_build_that_its_driver_ends_while_another_waits_for_it(tmp_path: Path) -> None:
    class Waiting(BuildFolder):
        def lock(self, *, wait_seconds: float = 0) -> contextlib.AbstractContextManager[None]:
            shutil.rmtree(self.path)
            raise RecordError("cannot be locked (No such file or directory)", hint="")

    store = BuildStore(tmp_path)
    with store.create(a_record(tmp_path)) as driven:
        with pytest.raises(RecordError, match="driven by another"):
            end_left_build(store.folder("image-1"), say=pytest.fail)
        end_left_build(Waiting(driven.path), say=pytest.fail)
    assert not driven.path.exists()


def an_image(image_id: str, **more: Any) -> MachineImage:
    facts: dict[str, Any] = {
        "name": image_id,
        "region": "us-east-1",
        "state": "available",
        "reason": "",
        "job_id": "",
        "contents": Contents(kind="g", blender=("4.2.23",), driver="580"),
        "size_gb": 87,
        "snapshots": ("snap-1",),
        "created": 0.0,
    }
    return MachineImage(id=image_id, **{**facts, **more})


def test_an_image_is_superseded_by_a_whole_one_for_the_same_machines() -> None:
    other = Contents(kind="cpu", blender=("4.2.23",), driver="")
    images = [an_image("ami-1"), an_image("ami-2", contents=other), an_image("ami-3")]
    assert [each.id for each in words.superseded(images, {})] == ["ami-1"]
    half = [an_image("ami-1"), an_image("ami-2", job_id="image-1"), an_image("ami-3", state="failed")]
    assert words.superseded(half, {}) == () and words.superseded([], {}) == ()
    copy = an_image("ami-2", region="eu-west-1")
    assert words.superseded([an_image("ami-1"), copy], {}) == (), "jobs in each region begin with that of their own"
    both = words.superseded([an_image("ami-1"), copy, an_image("ami-3"), an_image("ami-4", region="eu-west-1")], {})
    assert [each.id for each in both] == ["ami-1", "ami-2"]


def test_an_image_is_not_superseded_while_jobs_or_other_accounts_begin_with_it() -> None:
    both, new = (
        Contents(kind="g", blender=("4.2.24", "5.0.1"), driver="590"),
        Contents(kind="g", blender=("5.0.1",), driver="590"),
    )
    old, only_new, whole = an_image("ami-1"), an_image("ami-2", contents=new), an_image("ami-3", contents=both)
    assert words.superseded([old, only_new], {}) == (), "jobs with 4.2 begin with the old one"
    assert words.superseded([old, whole], {}) == (old,) == words.replaced_by(whole, [old, only_new, whole], {})[:1]
    assert words.superseded([old, an_image("ami-4", region="eu-west-1")], {}) == (), "that one is elsewhere"
    shared = {"ami-1": Behind(key=None, accounts=("111122223333",), stored_gb=1.0)}
    assert words.superseded([old, whole], shared) == () == words.replaced_by(whole, [old], shared)
    assert words.superseded([old, whole], {"ami-1": replace(shared["ami-1"], accounts=())}) == (old,)


def test_what_is_behind_an_image_in_words() -> None:
    own = DiskKey(arn="arn:aws:kms:us-east-1:123456789012:key/1", own=True)
    default = DiskKey(arn="arn:aws:kms:us-east-1:123456789012:key/2", own=False)
    behind = Behind(key=own, accounts=("111122223333",), stored_gb=40.0)
    assert words.protection(behind) == f"encrypted with {own.arn}, shared with 111122223333"
    assert words.protection(replace(behind, key=default, accounts=())) == "encrypted with the default key"
    assert words.protection(replace(behind, key=None, accounts=())) == "not encrypted"
    assert words.disk(an_image("ami-1"), behind) == "87 GB (40 of them written), at most $2.00 a month"
    assert words.disk(an_image("ami-1")) == "87 GB, at most $4.35 a month"


def said(*lines: str) -> Said:
    heard: list[str] = []
    said = Said(heard.append)
    for line in lines:
        said.hear(line)
    return said


FINISHED = ("::fact driver 580.95.05", "::fact device OPTIX (T4)", "::fact blender 4.2.23", "::fact finished yes")


def test_what_a_recipe_says_it_did() -> None:
    baked = said("apt: something", "", *FINISHED, "::fact blender 4.5.15", "::fact download 4.2.23").result("g")
    assert baked.contents.blender == ("4.2.23", "4.5.15") and baked.contents.driver == "580.95.05"
    assert baked.device == "OPTIX (T4)" and baked.downloaded == ("4.2.23",)


@pytest.mark.parametrize(
    ("facts", "ago"),
    [
        (("::fact sampled 1.5",), 1.5),
        ((), None),
        (("::fact sampled nan",), None),
        (("::fact sampled -1",), None),
        (("::fact sampled 1e999",), None),
        (("::fact sampled soon",), None),
    ],
)
def test_when_the_first_sample_was_is_told_by_how_long_ago(facts: tuple[str, ...], ago: float | None) -> None:
    began = now()
    # What later Blenders of the image do is no news.
    baked = said(*facts, *FINISHED, "::fact sampled 99", "::fact device CPU").result("g")
    assert began <= baked.first_frame_at <= now()
    assert baked.first_sample_at == (None if ago is None else pytest.approx(baked.first_frame_at - ago))


@pytest.mark.parametrize(
    "lines",
    [
        (),
        FINISHED[:-1],
        (*FINISHED[:2], FINISHED[3]),
        FINISHED[1:],
        (FINISHED[0], *FINISHED[2:]),
        ("::fact driver $(reboot)", *FINISHED[1:]),
        ("::fact blender ../../x", *FINISHED),
    ],
)
def test_what_makes_no_sense_is_not_believed(lines: tuple[str, ...]) -> None:
    with pytest.raises(MachineError, match="did not say"):
        said(*lines).result("g")


def test_a_failure_is_told_in_the_recipe_s_words() -> None:
    failed = MachineError("The recipe failed on the machine (exit status 1)")
    error = said("the last line", "::error The NVIDIA driver does not work: x", "::hint Do y").failure(failed)
    assert isinstance(error, GpuError) and (error.hint, error.details) == ("Do y", ("the last line",))
    plain = said(*(f"line {n}" for n in range(50))).failure(failed)
    assert plain.message == failed.message and len(plain.details) == 20
    with pytest.raises(MachineError, match="more than makes sense"):
        said(*[""] * 500_001)
