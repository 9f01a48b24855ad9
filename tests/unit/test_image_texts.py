# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images in the words of the preferences."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from cloudrender_addon.backend.aws.disk_keys import DiskKey
from cloudrender_addon.backend.aws.image_sharing import Behind
from cloudrender_addon.backend.aws.machine_images import Contents, MachineImage, newest
from cloudrender_addon.backend.baking import build
from cloudrender_addon.backend.baking.families import FAMILIES, builder_type, kind_of
from cloudrender_addon.backend.baking.said import Baked
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.farms.quotes import Quote
from tests.unit.without_bpy import ui_module

image_texts = ui_module("image_texts")

NOW = 1_800_000_000.0
IMAGE = MachineImage(
    id="ami-2",
    name="n",
    region="us-east-1",
    state="available",
    reason="",
    job_id="",
    contents=Contents(kind="g", blender=("4.2.23", "4.5.15"), driver="580.95.05"),
    size_gb=87,
    snapshots=("snap-2",),
    created=NOW - 3 * 86_400,
)
BEHIND = Behind(key=DiskKey(arn="arn:0", own=False), accounts=(), stored_gb=31.0)
OTHER = replace(
    IMAGE, id="ami-0", contents=replace(IMAGE.contents, blender=("4.2.1", "3.9.1")), created=NOW - 9 * 86_400
)
OLDER = replace(IMAGE, id="ami-1", created=NOW - 4 * 86_400)
QUOTE = Quote(spot_usd=0.2, on_demand_usd=0.52, extras_usd=0.02)


def test_every_family_to_choose_is_one_that_can_be_built() -> None:
    names = [name for name, *_ in image_texts.families()]
    assert {name for name in FAMILIES if name[0] in "gp"} < {*names} and len(names) == len({*names})
    assert [name for name in names if kind_of(name) == "cpu"] == ["c7i"]
    assert all(builder_type(name) for name in names)
    assert ("g6", "g6, NVIDIA L4", "All machines with graphics GPUs. Made on g6.xlarge") in image_texts.families()


@pytest.mark.parametrize(
    ("machine", "family"),
    [
        ("g6e.2xlarge", "g6e"),
        ("g5.xlarge", "g5"),
        ("g9.xlarge", "g4dn"),
        ("p9.48xlarge", "p5"),
        ("p3dn.24xlarge", "p3dn"),
        ("m7a.8xlarge", "c7i"),
        ("x2iedn.xlarge", "c7i"),
    ],
)
def test_the_family_is_that_of_the_machines_or_one_that_serves_them(machine: str, family: str) -> None:
    assert image_texts.default_family(machine) == family


def test_versions_are_typed_as_it_comes() -> None:
    assert image_texts.versions("4.2, 4.5.15 5.0,4.2") == ("4.2", "4.5.15", "5.0")
    assert image_texts.versions(" , ") == ()


def test_what_a_build_takes() -> None:
    assert image_texts.cost(QUOTE) == "About $0.09 to $0.18 in 10 to 20 min"
    assert image_texts.cost(None) == "About 10 to 20 min"
    assert image_texts.rented("g4dn.xlarge", QUOTE, otherwise="?") == "g4dn.xlarge, on-demand, $0.540/h"
    assert image_texts.rented("g4dn.xlarge", None, otherwise="?") == "g4dn.xlarge, on-demand, ?"
    assert image_texts.keeping("g5") == "At most $4.35 a month for about 87 GB"
    assert image_texts.keeping("p3") == "At most $1.20 a month for about 24 GB"
    assert image_texts.keeping("c7i") == "At most $1.00 a month for about 20 GB"
    assert image_texts.serves("c7i") == "Jobs on all machines without GPU"


def test_what_a_build_is_at() -> None:
    baking = SimpleNamespace(
        title="Image Build", began=NOW - 300, doing="Fetching " + "x" * 80, since=NOW - 5, cancel=CancelToken()
    )
    assert image_texts.doing(baking, NOW).endswith("x (0:05)")
    assert image_texts.status_line(baking, NOW) == f"Image Build: Fetching {'x' * 50}…, 5:00"
    baking.cancel.cancel()
    assert image_texts.status_line(baking, NOW) == "Image Build: Undoing what was done, 5:00"


def test_what_an_image_is() -> None:
    assert image_texts.title(IMAGE) == "For graphics GPUs, Blender 4.2.23, 4.5.15, NVIDIA 580.95.05"
    assert image_texts.facts(IMAGE, None, NOW) == "ami-2, us-east-1, 3 d old, at most $4.35 a month"
    assert image_texts.facts(IMAGE, BEHIND, NOW).endswith("at most $1.55 a month"), "as much as was written"
    assert "us-east-1, new, at" in image_texts.facts(replace(IMAGE, created=NOW), None, NOW)
    assert "us-east-1, at most" in image_texts.facts(replace(IMAGE, created=None), None, NOW)


def test_how_an_image_is_protected_and_for_whom() -> None:
    assert image_texts.protection(None) == "" == image_texts.protection(BEHIND), "as usual"
    own, shared = DiskKey(arn="arn:1", own=True), ("123456789012",)
    assert image_texts.protection(replace(BEHIND, key=own)) == "Encrypted with a key of your own"
    assert image_texts.protection(replace(BEHIND, key=None, accounts=shared)) == (
        "Not encrypted, shared with 123456789012"
    )
    assert image_texts.deletion(IMAGE, None) == "ami-2 with its snapshots, which cost at most $4.35 a month."
    assert "$1.55 a month, also for 123456789012." in image_texts.deletion(IMAGE, replace(BEHIND, accounts=shared))


def test_an_image_with_a_key_of_ones_own_is_not_all_that_it_takes() -> None:
    baked = Baked(contents=IMAGE.contents, device="CPU", downloaded=(), first_frame_at=1.0, first_sample_at=None)
    result = build.Built(image=IMAGE, baked=baked, cost_usd=0.1)
    assert image_texts.built(result, None).hint == image_texts.built(result, BEHIND).hint == ""
    own = replace(BEHIND, key=DiskKey(arn="arn:aws:kms:us-east-1:111122223333:key/1", own=True))
    alone = image_texts.built(result, own).hint
    assert "aws kms create-grant --region us-east-1" in alone and "iam::111122223333:role" in alone
    shared = image_texts.built(result, replace(own, accounts=("444455556666",))).hint
    assert shared.startswith(alone) and "`cloudrender image share ami-2 444455556666`" in shared


@pytest.mark.parametrize(("seconds", "sample"), [(None, ""), (41.4, "first sample after 41.4 s, ")])
def test_how_an_image_did(seconds: float | None, sample: str) -> None:
    baked = Baked(
        contents=IMAGE.contents, device="OPTIX (Tesla T4)", downloaded=(), first_frame_at=1.0, first_sample_at=None
    )
    result = build.Tested(
        baked=baked, answered_seconds=30.2, first_sample_seconds=seconds, first_frame_seconds=42.6, cost_usd=0.01
    )
    told = image_texts.tested(IMAGE, result)
    assert told.title == "Image Works" and not told.failed
    assert told.lines[1] == f"From launch: answered after 30.2 s, {sample}first frame after 42.6 s; cost $0.01"
    lacking = image_texts.tested(IMAGE, replace(result, baked=replace(baked, downloaded=("4.5.15",))))
    assert lacking.failed and "Blender 4.5.15 is not on it" in lacking.lines[2] and lacking.hint


@pytest.mark.parametrize(
    ("image", "setting", "icon", "words"),
    [
        (IMAGE, "auto", "CHECKMARK", "Jobs on such machines begin with it"),
        (IMAGE, "", "CHECKMARK", "begin with it"),
        (OLDER, "auto", "DOT", "newer one"),
        (OLDER, "ami-1", "CHECKMARK", "begin with it"),
        (IMAGE, "ami-1", "DOT", "No job begins with it"),
        (IMAGE, "public", "DOT", "No job begins with it"),
        (replace(OLDER, region="eu-west-1"), "auto", "CHECKMARK", "begin with it"),
        (OTHER, "auto", "CHECKMARK", "Jobs with Blender 3.9 on such machines begin with it"),
        (replace(IMAGE, id="ami-3", job_id="image-1"), "auto", "SORTTIME", "Not finished"),
        (replace(IMAGE, id="ami-3", state="failed", reason="Why"), "auto", "ERROR", "Failed: Why"),
    ],
)
def test_whether_jobs_begin_with_an_image(image: MachineImage, setting: str, icon: str, words: str) -> None:
    images = (OLDER, IMAGE) if image in (OLDER, IMAGE) else (OLDER, IMAGE, image)
    found, said = image_texts.standing(image, images, {}, setting=setting, now=NOW)
    assert found == icon and words in said


def test_an_old_one_says_so() -> None:
    old = replace(IMAGE, created=NOW - 200 * 86_400)
    assert "it is old" in image_texts.standing(old, (old,), {}, setting="auto", now=NOW)[1]


def test_only_what_is_whole_and_of_the_kind_is_begun_with() -> None:
    half, failed = replace(IMAGE, id="ami-4", job_id="image-1"), replace(IMAGE, id="ami-5", state="failed")
    assert newest((IMAGE, OLDER, half, failed), kind="g") == IMAGE and newest((IMAGE,), kind="p") is None


@pytest.mark.parametrize(
    ("blender", "found"),
    [
        ("", "ami-2"),
        ("4.2", "ami-2"),
        ("3.9", "ami-0"),
        ("4.2.1", "ami-0"),
        ("4.2.23", "ami-2"),
        ("4", "ami-2"),
        ("4.20", "ami-2"),
        ("5.0", "ami-2"),
    ],
)
def test_the_newest_with_the_blender_asked_for_is_begun_with(blender: str, found: str) -> None:
    best = newest((OTHER, OLDER, IMAGE), kind="g", blender=blender)
    assert best is not None and best.id == found


def test_a_new_image_takes_the_place_of_others_of_its_region() -> None:
    elsewhere, other = replace(OLDER, region="eu-west-1"), replace(OLDER, contents=replace(OLDER.contents, kind="p"))
    images = (OLDER, IMAGE, elsewhere, other)
    assert image_texts.replaced(IMAGE, images, {}, setting="auto") == (OLDER,)
    assert image_texts.replaced(IMAGE, images, {}, setting="ami-1") == (), "jobs begin with that one as before"
