# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way by the real command: what arrives, and what is said."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

from cloudrender_addon.backend.aws.policy import policy_text
from tests.cloud.command import ROOT, Project, contrast, difference, project_in
from tests.localcloud.cloud import Cloud

pytestmark = [pytest.mark.blender, pytest.mark.program]


def test_an_animation(cloud: Cloud, project: Project) -> None:
    result = project.run("-a")
    assert result.code == 0, result.err
    pictures = project.pictures()
    assert list(pictures) == [f"{n:04d}.png" for n in range(1, 7)]
    for one, other in itertools.combinations(pictures.values(), 2):
        assert one.size == (64, 36) and difference(one, other) > 20, "two frames look the same"
    assert "Left running: nothing" in result.err and "6 of 6 frames" in result.err
    assert re.search(r"Cost: \$0\.0\d\d\d \(\$0\.00\d\d a frame\)", result.err), result.err
    assert [m.reason for m in cloud.machines] == ["Client.InstanceInitiatedShutdown"] or [
        m.reason for m in cloud.machines
    ] == ["Client.UserInitiatedShutdown"]
    assert not any(path.suffix == ".part" for path in project.out.iterdir())


def test_one_frame_and_the_current_frame(cloud: Cloud, project: Project) -> None:
    assert project.run("-f", 4, "-c", "c7i.large").code == 0
    assert project.frames() == ["0004.png"]
    result = project.run()
    assert result.code == 0 and project.frames() == ["0001.png", "0004.png"]
    assert "OPTIX" in result.err, "the default type has a GPU and the scene must get it"


def test_a_range_into_another_folder_on_a_cpu(cloud: Cloud, project: Project) -> None:
    result = project.run("robot ネコ.blend", "-a", "-s", 2, "-e", 3, "-o", "wo anders/ü", "-c", "c7i.large")
    assert result.code == 0, result.err
    assert sorted(p.name for p in (project.path / "wo anders/ü").iterdir()) == ["0002.png", "0003.png"]
    assert not project.out.exists() and "OPTIX" not in result.err


def test_blender_5(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with project_in(tmp_path, "tiny-5.0") as project:
        result = project.run("-f", 2)
        assert result.code == 0 and "Blender 5.0" in result.err, result.err
        assert contrast(project.pictures()["0002.png"]) > 5


def test_programs_read_json(cloud: Cloud, project: Project) -> None:
    result = project.run("-f", 1, "--json")
    events = [json.loads(line) for line in result.out.splitlines()]
    ended = next(event for event in events if event["event"] == "job_ended")
    assert (result.code, ended["status"], ended["frames"], ended["error"]) == (0, "succeeded", [1], None)
    assert [e["frame"] for e in events if e["event"] == "frame_saved"] == [1]
    rows = [json.loads(line) for line in project.run("jobs", "--json").out.splitlines()]
    assert [(row["status"], row["saved"], row["frames"]) for row in rows] == [("succeeded", 1, 1)]
    assert rows[0]["job"] in project.run("jobs").out


def test_no_secret_is_kept_or_said(cloud: Cloud, project: Project) -> None:
    result = project.run("-f", 1, "-v")
    home = cloud.folder / "home"
    kept = "".join(path.read_text(errors="replace") for path in home.rglob("*") if path.is_file())
    for text in (result.out, result.err, kept):
        assert "PRIVATE KEY" not in text and "stand-in-secret" not in text and "aws_secret" not in text.lower()
    assert list(home.rglob("keys/*")) == []


def test_refused_ssh_is_waited_for(cloud: Cloud, project: Project) -> None:
    cloud.ssh_delay = 3.0
    assert project.run("-f", 1).code == 0 and project.frames() == ["0001.png"]


def test_a_machine_that_describe_does_not_know_yet(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with Cloud(visible_after=2.0) as late:
        for name, value in late.env().items():
            monkeypatch.setenv(name, value)
        assert project.run("-f", 1).code == 0
        assert late.leftovers() == []


def test_what_calls_are_made_is_what_the_policy_allows(cloud: Cloud, project: Project) -> None:
    policy = json.loads(policy_text())
    allowed = {
        action
        for statement in policy["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }

    def called() -> set[str]:
        return {f"{service}:{action}" for service, action in cloud.calls}

    assert project.run("-f", 1).code == 0 and called() <= allowed
    # A clean-up looks for what an image has left, too, where the second policy lets it.
    assert project.run("clean-up", "-y").code == 0 and called() <= {*allowed, "ec2:DescribeSnapshots"}
