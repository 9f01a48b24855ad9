# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender image`: made, used, tried, listed, copied, deleted; and nothing is left when anything goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudrender_addon.backend.aws.policy import images_policy_text, policy_text
from cloudrender_addon.backend.baking.record import BuildRecord, BuildStore
from cloudrender_addon.backend.baking.tidying import tidy_builds
from cloudrender_addon.backend.job.timing import STEPS
from cloudrender_addon.backend.settings import Settings
from tests.cloud.command import Project, Running, wait_for
from tests.localcloud.cloud import Cloud
from tests.localcloud.machine import Machine
from tests.localcloud.quick_blender import quick_blender, rendering

BUILD = ("image", "build", "--family", "c7i", "--blender", "4.2.23")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    """Give the test an account whose machines have a quick Blender; it holds while `tmp_path/hold` is there."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CLOUDRENDER_"))]:
        monkeypatch.delenv(name)
    with Cloud(blenders={"4.2.23": quick_blender(tmp_path / "hold")}) as cloud:
        for name, value in cloud.env().items():
            monkeypatch.setenv(name, value)
        cloud.rights.limit_to(
            {"Statement": [s for text in (policy_text(), images_policy_text()) for s in json.loads(text)["Statement"]]}
        )
        yield cloud


def events(machine: Machine) -> list[dict[str, object]]:
    return [json.loads(line) for line in machine.event_log.read_text().splitlines()]


def brought(machine: Machine) -> dict[str, object]:
    return next(event for event in events(machine) if event["event"] == "blender_ready")


def tools_called(disk: Path | None) -> str:
    """Return what a machine's package tools were asked for, those of the machine before it that is on its image too."""
    assert disk is not None
    return (disk / "disk/var/log/calls").read_text()


def only_images(cloud: Cloud) -> list[str]:
    """Return the images that are left; fail if anything else is."""
    assert cloud.leftovers(allowed=["image"]) == []
    return re.findall(r"image (ami-\w+)", "\n".join(cloud.leftovers()))


def records() -> list[str]:
    builds = Path(os.environ["CLOUDRENDER_HOME"]) / "builds"
    return [path.name for path in builds.iterdir()] if builds.is_dir() else []


def test_from_a_build_to_a_job_that_starts_with_it_to_its_deletion(cloud: Cloud, project: Project) -> None:
    built = project.run("image", "build", "--family", "g4dn", "--blender", "4.2")
    assert built.code == 0, built.err
    [image] = only_images(cloud)
    assert f"{image} in us-east-1 is ready: for graphics GPUs, Blender 4.2.23, NVIDIA 580.95.05" in built.err
    assert records() == []
    result = project.run("-f", 1, "--send", "folder")
    assert result.code == 0, result.err
    assert cloud.machines[1].order.values["meta-data/ami-id"] == image
    ready = brought(cloud.machines[1])
    assert ready["source"] == "image" and float(str(ready["seconds"])) < 0.2, (
        "no download, and nothing run or looked at"
    )
    assert tools_called(cloud.machines[1].folder) == tools_called(cloud.images.disk_of(image)), "nothing was installed"
    assert "Automatic: made by you" in project.run("check-setup").out
    other = project.run("-f", 2, "--blender", "4.5", "--image", "public", "--send", "folder")
    assert other.code == 0 and brought(cloud.machines[2])["source"] == "download", other.err
    timing = [json.loads(line)["timing"] for line in project.run("jobs", "--timing", "--json").out.splitlines()]
    [[baked], [_]] = timing
    assert baked["image_id"] == image and baked["instance_type"] == "g4dn.xlarge"
    assert set(baked["seconds"]) == {*STEPS} - {"driver"} and (baked["image_origin"], baked["blender_from"]) == (
        "own",
        "image",
    )
    told = project.run("jobs", "--timing").out
    assert f"your image ({image}) " in told and "Blender ready (on the image) " in told
    assert re.search(rf"^  g4dn\.xlarge +{image} +\d+\.\d s  \(1 machine\)$", told, re.MULTILINE), told
    assert re.search(r"^  g4dn\.xlarge +AWS's image +\d+\.\d s  \(1 machine\)$", told, re.MULTILINE), told
    lacking = project.run("-f", 3, "--blender", "4.5", "--send", "folder")
    assert lacking.code == 0 and cloud.machines[3].order.values["meta-data/ami-id"] == image, lacking.err
    assert brought(cloud.machines[3])["source"] == "download", "what the image lacks is fetched as before"
    listed = project.run("image", "list").out
    assert image in listed and "87 GB (44 of them written), at most $2.18 a month" in listed
    told = json.loads(project.run("image", "test", image, "--json").out.splitlines()[-1])
    assert told["event"] == "image_tested" and told["baked"]["downloaded"] == [] and told["first_frame_seconds"] > 0
    tried = project.run("image", "test", image)
    assert tried.code == 0 and "Driver: 580.95.05" in tried.err and "Device: OPTIX" in tried.err, tried.err
    took = re.search(
        r"From launch: answered after (.+) s, first sample after (.+) s, first frame after (.+) s; cost", tried.err
    )
    assert took and 0.0 < float(took[1]) < float(took[2]) <= float(took[3]), tried.err
    assert "Nothing" in project.run("clean-up").err, "an image that is whole is not for the clean-up"
    assert project.run("image", "delete", image).code == 1, "nobody said yes"
    assert project.run("image", "delete", "-y", image).code == 0
    assert cloud.leftovers() == []


def test_a_copy_lives_in_another_region(quick: Cloud, project: Project) -> None:
    built = json.loads(project.run(*BUILD, "--json").out.splitlines()[-1])
    [image] = only_images(quick)
    assert (built["event"], built["id"], built["device"]) == ("image_built", image, "CPU") and built["cost_usd"] > 0
    assert built["job_id"] == "", "it is whole"
    assert project.run("image", "list", "--json", "--region", "eu-west-1").out == "", "for programs, no word of nothing"
    for region, cause in (("nowhere", "not a usable region"), ("eu-west-1,eu-west-2", "more than one region")):
        refused = project.run("image", "copy", image, "--region", region)
        assert refused.code == 2 and cause in refused.err and "→" in refused.err, refused.err
    assert f"{image} is in us-east-1 already" in project.run("image", "copy", image, "--region", "us-east-1").err
    copied = project.run("image", "copy", image, "--region", "eu-west-1")
    assert copied.code == 0 and "in eu-west-1 is ready: for machines without GPU, Blender 4.2.23" in copied.err
    listed = json.loads(project.run("image", "list", "--json", "--region", "eu-west-1").out)
    assert listed["contents"]["blender"] == ["4.2.23"] and listed["job_id"] == "" and listed["id"] != image
    (Path(os.environ["CLOUDRENDER_HOME"]) / "image-regions" / "mars-west-1").touch()
    everywhere = project.run("image", "list")
    assert image in everywhere.out and listed["id"] in everywhere.out, "a copy is no forgotten cost"
    assert "In all at most $1.00 a month" in everywhere.err and "delete --old" not in everywhere.err
    assert everywhere.code == 1 and "Not looked into mars-west-1: " in everywhere.err
    (Path(os.environ["CLOUDRENDER_HOME"]) / "image-regions" / "mars-west-1").unlink()
    nothing = project.run("image", "list", "--region", "eu-west-2,eu-west-3")
    assert nothing.code == 0 and "no image made by cloudrender in eu-west-2, eu-west-3: " in nothing.err
    quick.images.failing = True
    failed = project.run("image", "copy", image, "--region", "eu-central-1")
    assert failed.code == 1 and "could not make the image" in failed.err
    assert len(only_images(quick)) == 2
    again = project.run("image", "copy", "ami-00000000000000000", "--region", "eu-west-1")
    assert again.code == 1 and "There is no image" in again.err


def test_a_driver_that_does_not_work(quick: Cloud, project: Project) -> None:
    quick.driver = "mismatch"
    result = project.run("image", "build", "--family", "g5", "--blender", "4.2.23")
    assert result.code == 1
    assert "The NVIDIA driver does not work: Failed to initialize NVML: Driver/library version mismatch" in result.err
    assert quick.leftovers() == [] and records() == []


def test_wrong_usage_costs_nothing(quick: Cloud, project: Project) -> None:
    graviton = project.run("image", "build", "--family", "c7g")
    assert graviton.code == 2 and "Graviton" in graviton.err and "c7i" in graviton.err
    unknown = project.run("image", "build", "--family", "g5dn", "--blender", "4.2.23")
    assert unknown.code == 2 and "no recipe" in unknown.err and "g4dn" in unknown.err
    unreleased = project.run("image", "build", "--family", "c7i", "--blender", "9.9")
    assert unreleased.code == 2 and "no Blender 9.9" in unreleased.err
    assert quick.machines == []


def test_an_image_that_aws_cannot_make(quick: Cloud, project: Project) -> None:
    quick.images.failing = True
    result = project.run(*BUILD)
    assert result.code == 1 and "AWS could not make the image" in result.err
    assert quick.leftovers() == [] and records() == []


@pytest.mark.parametrize("action", ["ec2:StopInstances", "ec2:CreateImage"])
def test_a_right_that_is_missing_shows_before_the_recipe(quick: Cloud, project: Project, action: str) -> None:
    quick.rights.deny(action)
    result = project.run(*BUILD)
    assert result.code == 1 and action in result.err and "cloudrender policy --images" in result.err
    assert not rendering(quick) and "Preparing" not in result.err
    assert quick.leftovers() == [] and records() == []


def test_a_builder_that_is_lost(quick: Cloud, project: Project, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    running = project.start(*BUILD)
    wait_for(lambda: rendering(quick), "the first frame")
    quick.client("ec2").terminate_instances(InstanceIds=[quick.machines[0].id])
    result = running.wait()
    assert result.code == 1 and "The machine has ended: it was ended from outside" in result.err, result.err
    assert quick.leftovers() == [] and records() == []


def at_recipe(cloud: Cloud, tmp_path: Path, act: Callable[[], object]) -> None:
    """Act while Blender renders its first frame."""
    (tmp_path / "hold").touch()
    wait_for(lambda: rendering(cloud), "the first frame")
    act()
    (tmp_path / "hold").unlink()


def befalling(cloud: Cloud, project: Project, tmp_path: Path, stage: str, act: Callable[[Running], object]) -> Running:
    """Start a build and do `act` to it at that stage: when the call has been done, and not answered yet."""
    cloud.images.seconds = 0.5
    started: list[Running] = []

    def do() -> bool:
        act(started[0])
        return False

    if stage == "recipe":
        (tmp_path / "hold").touch()
    else:
        cloud.faults.at_call(stage, do, answered=True)
    started.append(project.start(*BUILD))
    if stage == "recipe":
        at_recipe(cloud, tmp_path, do)
    return started[0]


@pytest.mark.parametrize("stage", ["CreateFleet", "recipe", "CreateImage", "DeleteTags"])
def test_ctrl_c(quick: Cloud, project: Project, tmp_path: Path, stage: str) -> None:
    result = befalling(quick, project, tmp_path, stage, Running.interrupt).wait()
    # Once the image is whole there is nothing to undo any more.
    images = only_images(quick)
    assert (result.code, len(images)) == ((0, 1) if stage == "DeleteTags" else (130, 0)), result.err
    assert result.code == 0 or result.err.index("Stopping …") < result.err.index("Undoing what was done")
    assert records() == []
    if stage == "recipe":
        ending = r"^Stopping …$.*^Undoing what was done$.*^Nothing is left running\. Cost: \$0\.\d{4}$.*^Cancelled$"
        assert re.search(ending, result.err, re.MULTILINE | re.DOTALL), result.err


def test_a_terminal_that_is_closed(quick: Cloud, project: Project, tmp_path: Path) -> None:
    running = befalling(quick, project, tmp_path, "recipe", lambda it: it.process.send_signal(signal.SIGHUP))
    assert running.wait().code == 130 and only_images(quick) == [] and records() == [], running.said()


@pytest.mark.parametrize("stage", ["recipe", "StopInstances", "DeleteTags"])
def test_a_killed_client(quick: Cloud, project: Project, tmp_path: Path, stage: str) -> None:
    running = befalling(quick, project, tmp_path, stage, lambda it: it.process.kill())
    running.process.wait(timeout=60)
    said: list[str] = []
    tidy_builds(Path(os.environ["CLOUDRENDER_HOME"]), say=said.append)
    assert len(only_images(quick)) == (1 if stage == "DeleteTags" else 0), said
    assert len(said) == 1 and "Ending what the image build" in said[0]


def test_what_a_killed_client_left_is_ended_by_its_name(quick: Cloud, project: Project, tmp_path: Path) -> None:
    running = befalling(quick, project, tmp_path, "recipe", lambda it: it.process.kill())
    running.process.wait(timeout=60)
    [build] = records()
    told = f"The image build {build} was left half-way: its machine costs up to $0."
    for answer in (project.run("jobs").out, project.run("image", "list").err):
        assert told in answer and "an hour; `cloudrender clean-up` ends it" in answer, answer
    checked = project.run("check-setup").out
    assert f"! Left Behind   {told}" in checked and "→ `cloudrender clean-up` ends it" in checked, checked
    result = project.run("cancel", build)
    assert result.code == 0 and f"Nothing of the image build {build} is left running" in result.err, result.err
    assert quick.leftovers() == [] and "half-way" not in project.run("jobs").out
    assert project.run("cancel", build).code == 1, "it is a build no more"


def test_a_record_of_what_ended_by_itself_is_closed_by_the_clean_up(quick: Cloud, project: Project) -> None:
    home = Path(os.environ["CLOUDRENDER_HOME"])
    settings = Settings(home=home, region="us-east-1")
    record = BuildRecord(build_id="image-1", instance_type="c7i.large", blender=("4.2.23",), settings=settings)
    with contextlib.suppress(ZeroDivisionError), BuildStore(home).create(record):
        raise ZeroDivisionError
    assert "image-1 was left half-way; `cloudrender clean-up` ends it" in project.run("jobs").out
    result = project.run("clean-up")
    assert result.code == 0 and "Nothing of cloudrender is left running in us-east-1" in result.err, result.err
    assert records() == [] and "half-way" not in project.run("jobs").out


def test_a_build_is_cancelled_from_another_terminal(quick: Cloud, project: Project, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    running = project.start(*BUILD)
    wait_for(lambda: rendering(quick), "the first frame")
    [build] = records()
    result = project.run("cancel", build)
    assert result.code == 0 and f"Nothing of the image build {build} is left running" in result.err, result.err
    ended = running.wait()
    assert ended.code == 130 and "Undoing what was done" in ended.err, ended.err
    assert quick.leftovers() == [] and records() == []


def test_clean_up_finds_a_half_made_image_without_any_record(quick: Cloud, project: Project, tmp_path: Path) -> None:
    running = befalling(quick, project, tmp_path, "CreateImage", lambda it: it.process.kill())
    running.process.wait(timeout=60)
    shutil.rmtree(Path(os.environ["CLOUDRENDER_HOME"]) / "builds")
    result = project.run("clean-up", "-y")
    assert result.code == 0 and re.search("half-made image +ami-", result.err), result.err
    assert quick.leftovers() == []
