# SPDX-License-Identifier: GPL-3.0-or-later
"""`jobs --timing`: how each machine of a job got to its first frame, however it came to be the job's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.job.timing import STEPS
from tests.cloud import dying_client
from tests.cloud.command import Project, wait_for
from tests.localcloud.cloud import Cloud

pytestmark = pytest.mark.blender

DYING = Path(dying_client.__file__)


def machines(project: Project) -> list[list[dict[str, Any]]]:
    """Return the times of each job's machines, oldest job first."""
    listed = project.run("jobs", "--timing", "--json").out.splitlines()
    return [json.loads(line)["timing"] for line in listed]


def whole(machine: dict[str, Any], *, driver: bool = False) -> bool:
    """Tell whether every step of a machine that was launched is known, in a possible order, with what it took."""
    assert ("driver" in machine["seconds"]) is driver
    at = [machine["seconds"][name] for name in STEPS if name != "driver"]
    up, began, ready, rendered = at[:2], at[2], at[3:5], at[5:]
    if driver:
        assert began < machine["seconds"]["driver"] < machine["seconds"]["blender"]
    ordered = up[0] <= up[1] <= began <= min(ready) and max(ready) <= rendered[0] <= rendered[1]
    return ordered and sum(step["took"] for step in machine["steps"]) == pytest.approx(max(at))


@pytest.mark.parametrize(("purchase", "name"), [("spot", "g4dn.xlarge"), ("on-demand", "p3.2xlarge")])
def test_every_step_to_the_first_frame(cloud: Cloud, project: Project, purchase: str, name: str) -> None:
    result = project.run("-f", 1, "--purchase", purchase, "-c", name)
    assert result.code == 0, result.err
    [[machine]] = machines(project)
    assert whole(machine, driver=name.startswith("p3")), machine  # there the image has none
    assert (machine["instance_id"], machine["instance_type"]) == (cloud.machines[0].id, name)
    assert (machine["image_origin"], machine["blender_from"]) == ("public", "download")
    assert machine["on_demand"] is (purchase == "on-demand") and not machine["alone"]
    told = project.run("jobs", "--timing").out
    assert f"    {cloud.machines[0].id}, {name}, {purchase}\n" in told
    assert re.search(r"^ +AWS's image \(ami-\w+\) +after launch +took$", told, re.MULTILINE)
    for words in ("running", "Blender ready (downloaded)", "files there", "first sample", "first frame"):
        assert re.search(rf"^ +{re.escape(words)} +\d+\.\d s +\d+\.\d s$", told, re.MULTILINE), told
    assert all(len(line) <= 80 for line in told.splitlines()[2:])


def test_the_machine_that_replaces_another_one_is_timed_as_well(cloud: Cloud, project: Project) -> None:
    running = project.start("-a", "-e", 300)
    wait_for(project.frames, "a frame")
    cloud.kill(cloud.machines[0])
    result = running.wait()
    assert result.code == 0 and len(cloud.machines) == 2, result.err
    [[lost, second]] = machines(project)
    assert whole(lost) and whole(second), (lost, second)
    assert [lost["instance_id"], second["instance_id"]] == [machine.id for machine in cloud.machines]
    assert second["began"] >= lost["began"] + lost["seconds"]["first_frame"]


def test_what_was_recorded_while_no_client_was_there(
    cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client dies when all is sent: what comes then, until somebody attaches, only the agent sees."""
    with monkeypatch.context() as patch:
        patch.setenv("CLOUDRENDER_TEST_DEATH", "sent")
        assert project.run("-a", "-e", 3, program=DYING).code == -9
    [[before]] = machines(project)
    assert list(before["seconds"]) == ["running", "answers", "agent"]
    wait_for(lambda: cloud.machines[0].frames == 3, "the machine to go on alone")
    assert project.run("attach", project.run("jobs").out.split()[0]).code == 0
    [[machine]] = machines(project)
    assert whole(machine), machine
    assert not machine["alone"], "it had all it needed"
    # By the machine's own log, not by when that was read: the first frame was there before the third.
    uptime: dict[str, float] = {}
    for line in cloud.machines[0].event_log.read_text().splitlines():
        uptime.setdefault(json.loads(line)["event"], json.loads(line)["uptime"])
    for step, event in (("blender", "blender_ready"), ("first_sample", "first_sample")):
        apart = machine["seconds"]["first_frame"] - machine["seconds"][step]
        assert apart == pytest.approx(uptime["frame"] - uptime[event], abs=0.01), step


def test_a_machine_that_is_taken_over_is_timed_from_then_on(cloud: Cloud, project: Project) -> None:
    assert project.run("-f", 1, "--keep", 10).code == 0
    assert project.run("-f", 2).code == 0
    [[first], [second]] = machines(project)
    assert second["instance_id"] == first["instance_id"] and whole(first)
    assert second["kept_by"] and second["began"] > first["began"]
    assert set(second["seconds"]) == {"agent", "files", "blender", "first_sample", "first_frame"}
    assert (first["blender_from"], second["blender_from"]) == ("download", "kept")
    told = project.run("jobs", "--timing").out
    assert re.search(rf"^ +kept by job {second['kept_by']}: no boot +from then on +took$", told, re.MULTILINE), told
