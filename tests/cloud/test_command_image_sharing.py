# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender image`: encrypted or shared as asked; old ones offered for deletion with what they cost."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import pytest

from tests.campaign import fast_blender
from tests.cloud.command import Project
from tests.cloud.test_command_image import BUILD, only_images, quick, records
from tests.localcloud.cloud import Cloud

__all__ = ["quick"]

FRIEND = "111122223333"


@pytest.fixture
def key(quick: Cloud) -> str:
    """Return the ARN of a key that whoever runs the account has made, with the alias alias/images."""
    kms = quick.client("kms")
    with quick.rights.lifted():
        made = kms.create_key()["KeyMetadata"]
        kms.create_alias(AliasName="alias/images", TargetKeyId=made["KeyId"])
    return str(made["Arn"])


def listed(project: Project) -> list[dict[str, object]]:
    return [json.loads(line) for line in project.run("image", "list", "--json").out.splitlines()]


def test_an_image_with_a_key_of_its_own_is_shared(quick: Cloud, project: Project, key: str) -> None:
    built = project.run(*BUILD, "--kms-key", "alias/images", "--share", FRIEND)
    assert built.code == 0, built.err
    [image] = only_images(quick)
    assert f"Shared with {FRIEND}" in built.err and f"the policy of its key {key}" in built.err
    grant, _, told = built.out.partition("\n")
    assert grant.startswith(f"aws kms create-grant --region us-east-1 --key-id {key} ") and "ReEncryptTo" in grant
    assert built.err.index("an administrator of the key has run this") < built.err.index("begin with it from now on")
    statements = json.loads(told[: told.index("\naws ")])
    assert statements[0]["Principal"] == {"AWS": [f"arn:aws:iam::{FRIEND}:root"]}
    assert f"iam::{FRIEND}:role/aws-service-role" in built.out
    line = project.run("image", "list").out
    assert f"encrypted with {key}, shared with {FRIEND}" in line
    [facts] = listed(project)
    assert facts["key"] == {"arn": key, "own": True} and facts["accounts"] == [FRIEND]
    stopped = project.run("image", "share", image, "--stop", FRIEND)
    assert stopped.code == 0 and "Shared with nobody" in stopped.err and stopped.out == ""
    assert f"Take {FRIEND} out of the policy" in stopped.err
    job = project.run("-c", "c7i.large", "-f", 1, "--send", "folder")
    assert job.code == 1 and "could not be opened with your rights" in job.err, job.err
    assert f"an administrator of it runs once: `{grant}`" in job.err and "`--image public`" in job.err
    assert len(quick.machines) == 2, "every further one would end likewise"
    again = json.loads(project.run("image", "share", image, "2222-3333-4444", "--json").out)
    assert again["event"] == "image_shared" and again["accounts"] == ["222233334444"]
    assert again["key_statements"] and "222233334444" in again["grants"][0]


def test_another_account_renders_on_a_shared_image(quick: Cloud, project: Project, tmp_path: Path) -> None:
    built = project.run(*BUILD, "--unencrypted", "--share", FRIEND)
    assert built.code == 0 and "nothing of yours is on it" in built.err, built.err
    [image] = only_images(quick)
    assert "not encrypted, shared with" in project.run("image", "list").out
    quick.images.lend(image, to=FRIEND)
    assert project.run("image", "list").out == ""
    script = quick.images.disk_of(image) / "home" / "blender" / fast_blender.VERSION / "blender"  # type: ignore[operator]
    assert script.is_file()
    script.write_text(fast_blender.script())
    (project.path / "renderer.json").write_text('{"seconds": 0.0, "frames": {}}')
    rented = ("-c", "c7i.large", "--blender", fast_blender.VERSION, "--send", "folder", "-f", 1)
    result = project.run(*rented, "--image", image)
    assert result.code == 0, result.err
    assert quick.machines[-1].order.values["meta-data/ami-id"] == image
    assert project.frames()
    checked = project.run("check-setup", "-c", "c7i.large").out
    assert "Automatic: Ubuntu" in checked and image not in checked, "auto takes no image of another account"


def test_what_cannot_be_made_is_told_before_anything_is_rented(quick: Cloud, project: Project, key: str) -> None:
    for flags, code, cause in (
        (("--blender", "3.6"), 2, "Blender 3.6 is too old"),
        (("--share", FRIEND), 2, "default key cannot be shared"),
        (("--share", "all", "--unencrypted"), 2, "never with everybody"),
        (("--kms-key", "alias/none"), 1, "no KMS key alias/none in us-east-1"),
        (("--kms-key", "alias/images", "--unencrypted"), 2, "exclude each other"),
        (("--kms-key", "alias/aws/ebs", "--share", FRIEND), 2, "a key that AWS manages"),
        (("--unencrypted", "--image", "auto"), 2, "may be encrypted"),
    ):
        refused = project.run(*BUILD, *flags)
        assert refused.code == code and cause in refused.err, refused.err
    with quick.rights.lifted():
        quick.client("kms").disable_key(KeyId=key.rpartition("/")[2])
    off = project.run(*BUILD, "--kms-key", "alias/images")
    assert off.code == 1 and "its state is Disabled" in off.err and "aws kms enable-key" in off.err
    with quick.rights.lifted():
        quick.client("ec2").enable_ebs_encryption_by_default()
    plain = project.run(*BUILD, "--unencrypted")
    assert plain.code == 2 and "encrypts every new disk in us-east-1" in plain.err
    assert quick.machines == [] and records() == []


def test_a_key_that_ebs_may_not_use(quick: Cloud, project: Project, key: str) -> None:
    quick.rights.deny("kms:CreateGrant")
    refused = project.run(*BUILD, "--kms-key", key)
    assert refused.code == 1 and "could not be opened with your rights" in refused.err, refused.err
    assert "cloudrender policy --images" in refused.err
    assert quick.leftovers() == [] and records() == []


def test_an_image_that_is_ready_but_cannot_be_shared(quick: Cloud, project: Project, key: str) -> None:
    quick.rights.deny("ec2:ModifyImageAttribute")
    built = project.run(*BUILD, "--kms-key", key, "--share", FRIEND)
    [image] = only_images(quick)
    assert built.code == 1 and f"The image {image} is ready, but not shared" in built.err
    assert f"cloudrender image share {image} {FRIEND}" in built.err
    quick.rights.deny("ec2:CopyImage")
    copied = project.run("image", "copy", image, "--region", "eu-west-1")
    assert copied.code == 1 and f"{image} has a key of your own; the copy will be encrypted with" in copied.err
    assert "cannot be shared (unless asked for with --kms-key)" in copied.err


def test_a_copy_may_have_a_key_too(quick: Cloud, project: Project, key: str) -> None:
    assert project.run(*BUILD).code == 0
    [image] = only_images(quick)
    stopped = project.run("image", "share", image, "--stop", FRIEND)
    assert stopped.code == 1 and f"{image} is not shared with {FRIEND}\n" in stopped.err
    assert "policy" not in stopped.err, "nothing was ever added to that of the default key"
    refused = project.run("image", "share", image, FRIEND)
    assert refused.code == 1 and "the account's default key" in refused.err and "--kms-key" in refused.err
    there = project.run("image", "copy", image, "--region", "eu-west-1", "--kms-key", key)
    assert there.code == 1 and f"no KMS key {key} in eu-west-1" in there.err
    plain = project.run("image", "copy", image, "--region", "eu-west-1", "--unencrypted")
    assert plain.code == 2 and f"{image} is encrypted" in plain.err
    assert only_images(quick) == [image]


def test_older_images_are_offered_for_deletion(quick: Cloud, project: Project) -> None:
    first = project.run(*BUILD)
    assert first.code == 0 and "older" not in first.err
    told = project.run(*BUILD)
    [old, new] = [str(facts["id"]) for facts in listed(project)]
    assert f"`cloudrender image delete {old}`" in told.err and "[y/N]" not in told.err
    lines = project.run("image", "list")
    assert f"\n  → a newer one has taken its place: `cloudrender image delete {old}`\n" in lines.out
    assert "In all at most $1.00 a month" in lines.err and "deletes 1 of them and saves $0.50" in lines.err
    assert [facts["superseded"] for facts in listed(project)] == [True, False]
    assert project.run("image", "delete").code == project.run("image", "delete", new, "--old").code == 2
    unanswered = project.run("image", "delete", "--old")
    assert unanswered.code == 1 and "Delete it with its snapshots (at most $0.50 a month)? [y/N]" in unanswered.err
    deleted = project.run("image", "delete", "--old", "-y")
    assert deleted.code == 0 and f"Deleted: {old} and snap-" in deleted.err
    assert only_images(quick) == [new]
    terminal, other_end = pty.openpty()
    os.write(terminal, b"y\n")
    agreed = project.start(*BUILD, stdin=other_end).wait()
    os.close(terminal)
    os.close(other_end)
    assert "Delete the older image for these machines (at most $0.50 a month)? [y/N]" in agreed.err
    assert len(only_images(quick)) == 1 and new not in only_images(quick)
    nothing = project.run("image", "delete", "--old", "-y")
    assert nothing.code == 0 and "no image that a newer one" in nothing.err
