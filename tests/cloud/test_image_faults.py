# SPDX-License-Identifier: GPL-3.0-or-later
"""What may befall the making of an image, step by step: whatever it is, an image is left that is whole, or nothing.

The account gives just the rights of the two policies; the machines' Blender is a quick one; the product's patience is
set to seconds. See also test_command_image.py (the failures that a user meets first).
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloudrender_addon.backend.baking import finishing, steady
from cloudrender_addon.backend.baking.recipe import CLEAN, run_script
from cloudrender_addon.backend.baking.tidying import tidy_builds
from cloudrender_addon.backend.errors import LinkError
from cloudrender_addon.backend.farms import ec2, ec2_reach, reconnect
from tests.cloud.command import Project, Result, Running, wait_for
from tests.cloud.test_command_image import BUILD, at_recipe, befalling, only_images, quick, records
from tests.localcloud.cloud import Cloud
from tests.localcloud.quick_blender import rendering

__all__ = ["quick"]

MAKING = (
    *("ImportKeyPair", "CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "CreateLaunchTemplate", "CreateFleet"),
    *("StopInstances", "CreateImage"),
)
ENDING = ("TerminateInstances", "DeleteLaunchTemplate", "DeleteKeyPair", "DeleteSecurityGroup", "DeleteTags")
"""What a build changes in the account, in two parts: before there is an image, and after that."""

BUSY = ("throttled", "InternalError")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the product's patience, and botocore's, to seconds; forks have it from here."""
    monkeypatch.setattr(finishing, "APPEAR_SECONDS", 1.0)
    monkeypatch.setattr(finishing, "_ASK_SECONDS", 5.0)
    monkeypatch.setattr(reconnect, "UNREACHABLE_SECONDS", 3.0)
    monkeypatch.setattr(reconnect, "_LEAST_SECONDS", 1.0)
    monkeypatch.setattr(ec2_reach, "_OPEN_SECONDS", 1.0)
    monkeypatch.setattr(ec2_reach, "_MOVED_EVERY", 0.5)
    monkeypatch.setitem(ec2.Ec2Settings.__init__.__kwdefaults__, "search_seconds", 1.0)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(time=time.time, sleep=lambda _: None))


def home() -> Path:
    return Path(os.environ["CLOUDRENDER_HOME"])


def lose(cloud: Cloud, action: str) -> None:
    """Let a call of that action be done, and its answer be lost."""
    cloud.faults.at_call(action, lambda: True, answered=True)


def busy(cloud: Cloud, action: str, code: str) -> None:
    """Let AWS have no time for an action, for longer than botocore asks by itself."""
    if code == "throttled":
        cloud.faults.throttle(action, times=5)
    else:
        cloud.faults.api(action, code, times=5)


def said_why(result: Result, *words: str) -> None:
    """See that a command failed with these words, in a line of cause and one of remedy."""
    assert result.code == 1, result.err
    assert all(word in result.err for word in words), result.err
    assert "Traceback" not in result.err and re.search(r"^→|→ ", result.err, re.MULTILINE), result.err


# -- AWS answers badly ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", BUSY)
def test_aws_is_busy_at_every_step(quick: Cloud, project: Project, code: str) -> None:
    for action in ("StopInstances", "CreateImage", *ENDING):
        busy(quick, action, code)
    result = project.run(*BUILD)
    assert result.code == 0 and len(only_images(quick)) == 1 and records() == [], result.err


def test_every_answer_is_lost_once(quick: Cloud, project: Project) -> None:
    for action in (*MAKING, *ENDING):
        lose(quick, action)
    result = project.run(*BUILD)
    assert result.code == 0, result.err
    [image] = only_images(quick)
    assert records() == []
    asked = [call.action for call in quick.calls]
    assert all(asked.count(action) > 1 for action in (*MAKING, *ENDING)), "each was asked for once more"
    for action in ("CopyImage", "DeleteTags"):
        lose(quick, action)
    assert project.run("image", "copy", image, "--region", "eu-west-1").code == 0
    assert len(only_images(quick)) == 2
    lose(quick, "DeregisterImage")
    assert project.run("image", "delete", "-y", image).code == 0
    assert len(only_images(quick)) == 1


@pytest.mark.parametrize("action", ["CreateImage", "CopyImage"])
def test_an_image_that_was_made_without_an_answer_at_all(quick: Cloud, project: Project, action: str) -> None:
    """AWS does it, and never says so: the image is found by its tag, in its region."""
    words: tuple[str, ...] = BUILD
    if action == "CopyImage":
        assert project.run(*BUILD).code == 0
        words = ("image", "copy", only_images(quick)[0], "--region", "eu-west-1")
    before = only_images(quick)
    lose(quick, action)
    quick.faults.at_call(action, lambda: bool(quick.faults.api(action, "InternalError", times=999)), answered=True)
    said_why(project.run(*words), "AWS is too busy")
    assert only_images(quick) == before and records() == []


# One of each kind: before there is a machine, to make one, to make the image, to end, to look whether all is ended.
RIGHTS = tuple(
    f"ec2:{action}"
    for action in (
        *("DescribeImages", "ImportKeyPair", "CreateFleet", "DescribeInstances", "StopInstances", "CreateImage"),
        *("TerminateInstances", "DeleteTags", "DescribeVolumes"),
    )
)


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_is_missing(quick: Cloud, project: Project, right: str) -> None:
    """Which one is told. What cannot be ended without it is ended by the next start that has it."""
    quick.rights.deny(right)
    said_why(project.run(*BUILD), right)
    quick.rights.give_back(right)
    # Whose machine could not be seen gone, or whose tag could not be taken away, was whole all the same.
    whole = 1 if right.removeprefix("ec2:") in (*ENDING, "DescribeVolumes") else 0
    if right not in ("ec2:DescribeInstances", "ec2:DescribeImages"):
        assert len(records()) == whole
    tidy_builds(home(), say=lambda _: None)
    assert len(only_images(quick)) == whole and records() == []
    assert "Nothing" in project.run("clean-up").err, "what is left is no clean-up's business"


def test_credentials_that_run_out_in_the_middle(quick: Cloud, project: Project) -> None:
    def run_out() -> bool:
        quick.faults.api("*", "ExpiredToken", times=9999)
        return False

    quick.faults.at_call("StopInstances", run_out, answered=True)
    said_why(project.run(*BUILD), "the login has expired", "log in to AWS again")
    quick.faults.clear()
    tidy_builds(home(), say=lambda _: None)
    assert quick.leftovers() == [] and records() == []


def test_a_clock_that_is_wrong(quick: Cloud, project: Project) -> None:
    quick.faults.api("*", "RequestExpired", times=9999)
    said_why(project.run(*BUILD), "clock is wrong", "Set the clock")
    quick.faults.clear()
    assert quick.leftovers() == [] and records() == []


def test_aws_has_no_machine(quick: Cloud, project: Project) -> None:
    quick.faults.api("RunInstances", "InsufficientInstanceCapacity", times=9999)
    result = project.run(*BUILD)
    said_why(result, "no c7i.large on-demand machine to give in us-east-1", "--family c7i.2xlarge", "every zone")
    assert re.search(r"c7i\.large in us-east-1a, us-east-1b, .*none free", result.err), "all zones were asked"
    assert quick.leftovers() == [] and records() == []


def test_the_quota_for_on_demand_machines_is_another_one(quick: Cloud, project: Project) -> None:
    quick.quotas.values["L-1216C47A"] = 0
    ask = "cloudrender quota --purchase on-demand -c c7i.large --request"
    said_why(project.run(*BUILD), "Running On-Demand Standard", ask)
    assert quick.leftovers() == [] and records() == []
    assert project.run(*ask.split()[1:], "-y").code == 0 and len(quick.quotas.requests) == 1


# -- the machine ----------------------------------------------------------------------------------------


def end_builder(cloud: Cloud) -> bool:
    cloud.client("ec2").terminate_instances(InstanceIds=[cloud.machines[0].id])
    return False


@pytest.mark.parametrize("stage", ["CreateFleet", "StopInstances", "CreateImage"])
def test_the_builder_is_lost(quick: Cloud, project: Project, stage: str) -> None:
    """While it boots, while it is stopped, while its image is made: that one has all it needs."""
    quick.images.seconds = 0.5
    quick.faults.at_call(stage, lambda: end_builder(quick), answered=True)
    result = project.run(*BUILD)
    if stage == "CreateImage":
        assert result.code == 0 and len(only_images(quick)) == 1, result.err
    else:
        said_why(result, "ended from outside", "start it again")
        assert quick.leftovers() == []
    assert records() == []


def test_a_link_that_breaks_while_the_recipe_runs(quick: Cloud, project: Project, tmp_path: Path) -> None:
    """What the first run has in hand is waited for by the second."""
    (tmp_path / "hold").touch()
    running = project.start(*BUILD)
    wait_for(lambda: rendering(quick), "the first frame")
    quick.machines[0].cut_links()
    wait_for(lambda: "Waiting for what is still under way" in running.said(), "the next run")
    (tmp_path / "hold").unlink()
    result = running.wait()
    assert result.code == 0 and len(only_images(quick)) == 1 and records() == [], result.err
    assert result.err.count("connecting again") == 1


def test_a_link_that_breaks_when_the_keys_are_gone(
    quick: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's own sshd lets nobody in any more, which says that it is clean."""

    def breaking(recipe: Any, script: str, **more: Any) -> None:
        run_script(recipe, script, **more)
        if script == CLEAN:
            raise LinkError("The connection to the machine broke: just then")

    monkeypatch.setattr(steady.run_recipe, "__kwdefaults__", {"run": breaking})
    result = project.run(*BUILD)
    assert result.code == 0 and "broke: just then; connecting again" in result.err, result.err
    [image] = only_images(quick)
    disk = quick.images.disk_of(image)
    assert disk and not [*disk.rglob("authorized_keys"), *disk.rglob("ssh_host_*")]


def test_a_laptop_that_changes_networks(quick: Cloud, project: Project, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    running = project.start(*BUILD)
    at_recipe(quick, tmp_path, lambda: quick.move_client("198.51.100.23"))
    result = running.wait()
    assert result.code == 0 and len(only_images(quick)) == 1, result.err


def test_a_disk_that_is_full(quick: Cloud, project: Project, tmp_path: Path) -> None:
    quick.disk_mb = 96
    (tmp_path / "hold").touch()
    running = project.start(*BUILD)
    at_recipe(quick, tmp_path, lambda: fill(quick))
    said_why(running.wait(), "disk of the machine is full", "fewer Blender versions")
    assert quick.leftovers() == [] and records() == []


def fill(cloud: Cloud) -> None:
    cloud.machines[0].fill_disk()
    wait_for(lambda: shutil.disk_usage(cloud.machines[0].folder / "inside").free == 0, "a full disk")


def test_blender_s_mirror_is_down(quick: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDRENDER_MIRROR", "http://127.0.0.1:1/release")
    said_why(project.run(*BUILD), "127.0.0.1:1")
    assert quick.leftovers() == [] and records() == []


def test_a_blender_that_crashes_at_its_first_frame(project: Project, quick: Cloud, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    running = project.start(*BUILD)
    wait_for(lambda: rendering(quick), "the first frame")
    [blender] = (quick.machines[0].folder / "home" / "blender").glob("*/blender")
    # What the shell reads next of its script.
    text = blender.read_text()
    with blender.open("r+") as script:
        script.write(text.replace("head -c 9", "kill -11 $$;"))
    (tmp_path / "hold").unlink()
    said_why(running.wait(), "did not render its first frame", "last ones")
    assert quick.leftovers() == [] and records() == []


# -- the image ------------------------------------------------------------------------------------------


def test_an_image_that_is_never_finished(quick: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    quick.images.seconds = 9999.0
    monkeypatch.setattr(finishing, "IMAGE_SECONDS", 0.7)
    said_why(project.run(*BUILD), "has not finished the image", "Try again later")
    assert quick.leftovers() == [] and records() == []


# -- the client -----------------------------------------------------------------------------------------

KILLED = [  # and StopInstances and DeleteTags: test_command_image.py
    *[(action, True) for action in ("CreateSecurityGroup", "CreateFleet", "CreateImage")],
    *[(action, False) for action in ("CreateFleet", "CreateImage")],
    *[(action, True) for action in ("TerminateInstances", "DeleteKeyPair")],
]


@pytest.mark.parametrize(("action", "answered"), KILLED)
def test_a_client_that_is_killed(quick: Cloud, project: Project, action: str, answered: bool) -> None:
    quick.images.seconds = 0.3
    started: list[Running] = []
    quick.faults.at_call(action, lambda: bool(started[0].process.kill()), answered=answered)
    started.append(project.start(*BUILD))
    assert started[0].process.wait(timeout=60) == -9
    said: list[str] = []
    tidy_builds(home(), say=said.append)
    assert len(only_images(quick)) == (1 if action in ENDING else 0) and records() == [], said


@pytest.mark.parametrize(("action", "presses"), [("ImportKeyPair", 1), ("StopInstances", 2), ("TerminateInstances", 2)])
def test_ctrl_c_at_a_call(quick: Cloud, project: Project, action: str, presses: int) -> None:
    running = befalling(quick, project, Path(), action, lambda it: press(it, presses))
    result = running.wait()
    made = action in ENDING
    assert (result.code, len(only_images(quick)), records()) == ((0, 1, []) if made else (130, 0, [])), result.err


def press(running: Running, times: int) -> None:
    for _ in range(times):
        running.interrupt()
        time.sleep(0.05)


def test_a_copy_whose_client_was_killed_is_ended_in_the_other_region(quick: Cloud, project: Project) -> None:
    assert project.run(*BUILD).code == 0
    [image] = only_images(quick)
    copy = ("image", "copy", image, "--region", "eu-west-1")
    quick.images.seconds = 1.0

    def killed(action: str) -> None:
        started: list[Running] = []
        quick.faults.at_call(action, lambda: bool(started[0].process.kill()), answered=True)
        started.append(project.start(*copy))
        assert started[0].process.wait(timeout=60) == -9

    killed("CopyImage")
    images = project.run("image", "list")
    assert "half-made" in images.out and "→ left half-way: `cloudrender clean-up` ends it" in images.out, images.out
    assert "The copy of an image into eu-west-1 (" in images.err, images.err
    listed = project.run("clean-up")
    assert listed.code == 1 and re.search(r"half-made image +ami-\w+ +eu-west-1", listed.err), listed.err
    assert project.run("clean-up", "-y").code == 0
    assert only_images(quick) == [image] and records() == []
    killed("CopyImage")
    assert project.run(*copy).code == 0, "the next start ends what was left, and begins anew"
    assert len(only_images(quick)) == 2 and records() == []
    again = project.run(*copy)
    assert again.code == 2 and "has a copy" in again.err and "image delete" in again.err
    quick.rights.deny("ec2:CopyImage")
    said_why(project.run("image", "copy", image, "--region", "eu-central-1"), "ec2:CopyImage", "policy --images")
    assert len(only_images(quick)) == 2 and records() == []


def test_ctrl_c_while_an_image_is_copied(quick: Cloud, project: Project) -> None:
    assert project.run(*BUILD).code == 0
    [image] = only_images(quick)
    quick.images.seconds = 9999.0
    running = project.start("image", "copy", image, "--region", "eu-west-1")
    wait_for(lambda: "which takes some minutes" in running.said(), "the copy")
    running.interrupt()
    assert running.wait().code == 130 and only_images(quick) == [image] and records() == []


# -- the other commands ---------------------------------------------------------------------------------


@pytest.fixture
def image(quick: Cloud, project: Project) -> str:
    assert project.run(*BUILD).code == 0
    return only_images(quick)[0]


def lost_machine(cloud: Cloud, running: Running) -> None:
    cloud.client("ec2").terminate_instances(InstanceIds=[cloud.machines[-1].id])


TRIALS: dict[str, tuple[Callable[[Cloud, Running], object], int, str]] = {
    "killed": (lambda _, it: it.process.kill(), -9, ""),
    "interrupted": (lambda _, it: it.interrupt(), 130, "Cancelled"),
    "lost": (lost_machine, 1, "ended from outside"),
    "cut": (lambda cloud, _: cloud.machines[-1].cut_links(), 0, "connecting again"),
}


def test_what_befalls_a_trial_leaves_the_image_alone(
    quick: Cloud, project: Project, image: str, tmp_path: Path
) -> None:
    disk = quick.images.disk_of(image)
    assert disk
    (disk / "home" / "rendering").unlink()  # what the builder's Blender left
    for tried, (what, (act, code, words)) in enumerate(TRIALS.items(), start=1):
        (tmp_path / "hold").touch()
        running = project.start("image", "test", image)
        wait_for(lambda n=tried: len(quick.machines) == 1 + n and on_trial(quick), f"the frame of the one {what}")
        act(quick, running)
        if what == "cut":
            wait_for(lambda it=running: "connecting again" in it.said(), "the next connection")
            (tmp_path / "hold").unlink()
        assert running.process.wait(timeout=60) == code, running.said()
        assert words in running.said()
        tidy_builds(home(), say=lambda _: None)
        assert only_images(quick) == [image] and records() == [], what


def on_trial(cloud: Cloud) -> bool:
    return (cloud.machines[-1].folder / "home" / "rendering").exists()


def test_listing_and_deleting_when_aws_answers_badly(quick: Cloud, project: Project, image: str) -> None:
    for code in BUSY:
        busy(quick, "DescribeImages", code)
        said_why(project.run("image", "list"), "too busy")
        quick.faults.clear()
        busy(quick, "DeregisterImage", code)
        said_why(project.run("image", "delete", "-y", image), "too busy")
        quick.faults.clear()
    quick.rights.deny("ec2:DeregisterImage")
    said_why(project.run("image", "delete", "-y", image), "ec2:DeregisterImage", "policy --images")
    quick.rights.give_back("ec2:DeregisterImage")
    assert only_images(quick) == [image]
    started: list[Running] = []
    quick.faults.at_call("DeregisterImage", lambda: bool(started[0].process.kill()), answered=True)
    started.append(project.start("image", "delete", "-y", image))
    assert started[0].process.wait(timeout=60) == -9
    assert quick.leftovers() == []


def test_a_stopped_builder_that_nobody_remembers_is_told_with_age_and_cost(quick: Cloud, project: Project) -> None:
    """Nothing runs on it that would end it: it costs its disk until it is found."""
    started: list[Running] = []
    quick.faults.at_call("StopInstances", lambda: bool(started[0].process.kill()), answered=True)
    started.append(project.start(*BUILD))
    started[0].process.wait(timeout=60)
    wait_for(lambda: quick.machines[0].ended_at, "the machine to stop")
    shutil.rmtree(home() / "builds")
    listed = project.run("clean-up")
    assert re.search(
        r"machine +i-\w+ +us-east-1 +job image-\S+ +age \S+.* stopped +c7i\.large$", listed.err, re.MULTILINE
    )
    assert re.search(r"disk +vol-\w+ .*age \S+.*\$0\.00\d an hour", listed.err), listed.err
    assert project.run("clean-up", "-y").code == 0 and quick.leftovers() == []
