# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that was kept goes to the next job: no launch, no boot, no Blender to bring; and no crash leaves it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cloud import dying_client
from tests.cloud.command import Project, difference, wait_for
from tests.localcloud.cloud import Cloud

pytestmark = pytest.mark.blender

DYING = Path(dying_client.__file__)


def records() -> list[dict[str, Any]]:
    """Return the jobs' records, oldest first."""
    folders = sorted(Path(os.environ["CLOUDRENDER_HOME"]).glob("jobs/*"))
    return [json.loads((folder / "record.json").read_text()) for folder in folders]


def keys() -> list[Path]:
    return [path for path in Path(os.environ["CLOUDRENDER_HOME"]).glob("jobs/*/keys/*") if path.is_file()]


def launches(cloud: Cloud) -> int:
    return len(cloud.machines)


def costs(project: Project) -> list[float]:
    return [json.loads(line)["cost_usd"] for line in project.run("jobs", "--json").out.splitlines()]


def test_the_second_render_of_a_project_uses_the_machine_of_the_first(cloud: Cloud, project: Project) -> None:
    first = project.run("-f", 1, "--keep", 10)
    assert first.code == 0 and cloud.machines[0].processes(), first.err
    [job] = [record["spec"]["job_id"] for record in records()]
    downloads = cloud.machines[0].folder / "tmp" / "cloudrender" / "blender"
    brought = [path.stat().st_ino for path in downloads.iterdir()]

    second = project.start("-a", "-s", 1, "-e", 3)
    wait_for(lambda: "Rendering" in second.said(), "the render")
    assert [path.stat().st_ino for path in downloads.iterdir()] == brought  # not downloaded again
    result = second.wait()
    assert result.code == 0 and project.frames() == ["0001.png", "0002.png", "0003.png"], result.err
    assert f"Using the machine kept by job {job}: no launch, no boot" in result.err
    assert "Booting" not in result.err and "is starting" not in result.err
    assert "(downloaded)" in first.err and "Blender 4.2.23 is ready (there already)" in result.err
    assert "Left running: nothing" in result.err and re.search(r"^Cost: \$0\.\d+ ", result.err, re.MULTILINE)
    assert launches(cloud) == 1
    assert not cloud.machines[0].processes() and not keys()

    listed = project.run("jobs").out
    assert listed.count("succeeded") == 2 and "kept" not in listed
    assert f"its machine went on with job {records()[1]['spec']['job_id']}" in listed
    lived = (cloud.machines[0].ended_at or 0.0) - cloud.machines[0].launched_at
    hourly = sum(costs(project)) / max(lived, 60.0) * 3600
    price = re.search(r"\$(\d+\.\d+) an hour\)", result.err)
    assert price and hourly == pytest.approx(float(price[1]), rel=0.15)  # each second is paid once


def test_the_frames_are_those_of_a_machine_of_its_own(cloud: Cloud, project: Project) -> None:
    assert project.run("-f", 2, "--keep", 10).code == 0  # another frame, and an image of it that must not come back
    assert project.run("-f", 1, "-o", "reused").code == 0
    assert project.run("-f", 1, "-o", "fresh").code == 0
    assert launches(cloud) == 2
    reused, fresh = (Image.open(project.path / name / "0001.png").convert("RGB") for name in ("reused", "fresh"))
    assert difference(reused, fresh) == 0
    assert sorted(path.name for path in (project.path / "reused").iterdir()) == ["0001.png"]


def test_a_changed_file_is_rendered_as_it_is_now(cloud: Cloud, project: Project) -> None:
    assert project.run("-f", 1, "--keep", 10).code == 0
    (project.path / "new.txt").write_text("new")
    assert project.run("-f", 1, "--keep", 10).code == 0
    there = cloud.machines[0].folder / "tmp" / "cloudrender" / "project"
    assert (there / "new.txt").exists()
    (project.path / "new.txt").unlink()
    assert project.run("-f", 1, "--keep", 10).code == 0
    assert not (there / "new.txt").exists() and launches(cloud) == 1
    assert project.run("cancel", records()[-1]["spec"]["job_id"]).code == 0
    assert not cloud.machines[0].processes() and not keys()


def test_only_what_changed_is_sent_the_second_time(cloud: Cloud, project: Project) -> None:
    (project.path / "texture.bin").write_bytes(os.urandom(3_000_000))
    (project.path / "note.txt").write_text("before")

    def render() -> int:
        """Return how many bytes were sent."""
        result = project.run("--json", "-f", 1, "--keep", 10, "--send", "folder")
        assert result.code == 0, result.err
        sent = [event for line in result.out.splitlines() if (event := json.loads(line))["event"] == "bytes_sent"]
        return int(sent[-1]["sent"]) if sent else 0

    everything = render()
    assert everything > 3_000_000
    (project.path / "note.txt").write_text("after!")
    there = cloud.machines[0].folder / "tmp" / "cloudrender" / "project"
    assert render() <= everything / 100 and (there / "note.txt").read_text() == "after!"
    assert (there / "texture.bin").read_bytes() == (project.path / "texture.bin").read_bytes()
    assert render() == 0 and launches(cloud) == 1
    assert project.run("cancel", records()[-1]["spec"]["job_id"]).code == 0


def test_another_machine_is_rented_if_one_is_asked_for(cloud: Cloud, project: Project) -> None:
    assert project.run("-f", 1, "--keep", 10).code == 0
    other = project.run("-f", 2, "--fresh-machine")
    assert other.code == 0 and launches(cloud) == 2 and cloud.machines[0].processes(), other.err
    assert project.run("cancel", records()[0]["spec"]["job_id"]).code == 0


def test_a_machine_that_has_gone_meanwhile_is_replaced(cloud: Cloud, project: Project) -> None:
    assert project.run("-f", 1, "--keep", 10).code == 0
    cloud.kill(cloud.machines[0])
    wait_for(lambda: cloud.machines[0].ended_at, "the power cut")
    result = project.run("-f", 2)
    assert result.code == 0 and "is not used: " in result.err and launches(cloud) == 2, result.err
    assert project.run("cancel", records()[0]["spec"]["job_id"]).code == 0 and not keys()


def test_it_is_found_by_the_clean_up_of_whoever_has_it(cloud: Cloud, project: Project) -> None:
    """Its tags name the job that launched it; what drives it now is another."""
    assert project.run("-f", 1, "--keep", 10).code == 0
    running = project.start("-a", "-e", 4000)
    wait_for(lambda: "Frame 1 is here" in running.said(), "a frame")
    assert "Nothing of cloudrender" in project.run("clean-up", "-y").err  # it is being driven
    assert cloud.machines[0].processes()
    running.kill()
    ended = project.run("clean-up", "-y")
    assert ended.code == 0 and "Ending what job" in ended.err, ended.err
    assert {record["status"] for record in records()} == {"succeeded", "cancelled"} and not keys()


def killed_at(project: Project, step: str, monkeypatch: pytest.MonkeyPatch, *, keep: float) -> None:
    """Keep the machine of one job, and kill the client of the next at a step of taking it over."""
    assert project.run("-f", 1, "--keep", keep).code == 0
    with monkeypatch.context() as patch:
        patch.setenv("CLOUDRENDER_TEST_DEATH", step)
        assert project.run("-f", 2, program=DYING).code == -9


@pytest.mark.parametrize("step", dying_client.STEPS)
def test_killed_in_the_middle_the_next_start_brings_the_frame(
    cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    killed_at(project, step, monkeypatch, keep=10)
    first, second = (record["spec"]["job_id"] for record in records())
    result = project.run("attach", second)
    assert result.code == 0 and "0002.png" in project.frames(), result.err
    assert launches(cloud) == 1 and ("Using the machine kept" in result.err) == (step == "emptied")
    ended = project.run("cancel", first)
    assert ended.code == 0 and "ended already" in ended.err, ended.err
    assert project.run("jobs").out.count("succeeded") == 2
    assert not cloud.machines[0].processes()
    project.run("-f", 3, "--keep", 10)  # the next start closes what is open
    assert [record["status"] for record in records()] == ["succeeded", "succeeded", "kept"]
    assert project.run("cancel", records()[2]["spec"]["job_id"]).code == 0 and not keys()


@pytest.mark.parametrize("step", ["emptied", "after the record", "extended"])
def test_killed_in_the_middle_and_never_started_again_nothing_runs_on(
    cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """It ends itself when it was to be kept no longer, or when the second job's lease is over."""
    monkeypatch.setenv("CLOUDRENDER_LEASE_MINUTES", "0.2")
    killed_at(project, step, monkeypatch, keep=0.4)
    wait_for(lambda: not cloud.machines[0].processes(), "the machine to end itself", seconds=45)
    assert cloud.machines[0].reason == "Client.InstanceInitiatedShutdown"
    assert project.run("clean-up", "-y").code == 0  # what costs nothing, and the records
    assert all(record["machine"] is None for record in records())
    if records()[1]["status"] == "provisioning":  # that had no machine yet, and may be gone on with
        assert project.run("cancel", records()[1]["spec"]["job_id"]).code == 0
    assert not keys()
