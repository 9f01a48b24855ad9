# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that the .blend uses, by the real command: what renders here renders there, from wherever they are."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.cloud.command import DATA, Project, contrast, difference
from tests.cloud.textured import textured
from tests.localcloud.cloud import Cloud
from tests.localcloud.machine import Machine

pytestmark = [pytest.mark.blender, pytest.mark.program]


@pytest.fixture
def blend(project: Project) -> Path:
    [path] = project.path.glob("*.blend")
    return path


def render_here(blender: Path, blend: Path, folder: Path) -> Image.Image:
    command = [blender, "-b", blend, "-o", folder / "here####", "-F", "PNG", "-f", "2"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return Image.open(folder / "here0002.png").convert("RGB")


def test_files_from_anywhere_render_as_they_do_here(
    cloud: Cloud, project: Project, blender: Path, blend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path = project.path.parent
    absolute = tmp_path / "textures elsewhere" / "wood ü.png"
    textured(DATA / "tiny-4.2.blend", blend, str(absolute), "//../elsewhere/stone.png", "//maps/inside.png")
    (project.path / "unused.bin").write_bytes(bytes(100_000))
    expected = render_here(blender, blend, tmp_path)
    before = blend.read_bytes()
    monkeypatch.setenv("HOME", str(project.path))  # nothing is walked: it may be any folder
    result = project.run("-f", 2, "-c", "c7i.large", "--local-blender", blender)
    assert result.code == 0, result.err
    assert "Looking for the files that robot ネコ.blend uses …" in result.err
    assert "What is sent: 4 files, " in result.err and "2 of them from outside the project folder" in result.err
    assert str(absolute) in result.err and "Not found" not in result.err
    picture = project.pictures()["0002.png"]
    assert difference(picture, expected) == 0 and contrast(picture) > 5
    assert blend.read_bytes() == before, "the user's own file was written to"
    [job] = (cloud.folder / "home" / "jobs").iterdir()
    assert "files, " in (job / "log.txt").read_text(), "what is sent is in the job's log"


def test_a_replacement_machine_gets_the_same(cloud: Cloud, project: Project, blender: Path, blend: Path) -> None:
    textured(DATA / "tiny-4.2.blend", blend, "//../elsewhere/stone.png")

    def lose(machine: Machine) -> None:
        # What other jobs share of the copies may go at any time.
        shutil.rmtree(cloud.folder / "home" / "staging")
        cloud.kill(machine)

    cloud.on_frames(1, lose)
    result = project.run("-a", "-e", 40, "-c", "c7i.large", "--local-blender", blender)
    assert result.code == 0 and len(cloud.machines) == 2, result.err
    assert "Not found" not in result.err and result.err.count("Looking for the files") == 1
    assert len(project.pictures()) == 40 and all(contrast(each) > 5 for each in project.pictures().values())
    assert not (cloud.folder / "home" / "staging").exists(), "it was traced a second time"


def test_missing_files_are_told_before_anything_is_rented(
    cloud: Cloud, project: Project, blender: Path, blend: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone" / "wood.png"
    textured(DATA / "tiny-4.2.blend", blend, "//maps/inside.png", f"-{gone}")
    arguments = ("-f", 1, "-c", "c7i.large", "--local-blender", blender)
    result = project.run(*arguments)
    assert result.code == 1 and not cloud.machines, result.err
    assert ("ec2", "CreateFleet") not in cloud.calls and ("ec2", "CreateKeyPair") not in cloud.calls
    cause, remedy = result.err.rstrip().splitlines()[-2:]
    assert cause.startswith("cloudrender: Missing files") and str(gone) in cause and "Image 1" in cause
    assert "Find Missing Files" in remedy and "-y" in remedy
    assert project.run("jobs").out.strip() == "No jobs yet"
    result = project.run(*arguments, "-y", "--json")
    assert result.code == 0 and project.frames() == ["0001.png"], result.err
    [told] = [event for event in map(json.loads, result.out.splitlines()) if event["event"] == "files_traced"]
    assert [each["path"] for each in told["missing"]] == [str(gone)] and told["files"] == 2


def test_scripts_that_will_not_run_are_asked_about(cloud: Cloud, crashing: Project, blender: Path) -> None:
    arguments = ("-f", 1, "-c", "c7i.large", "--local-blender", blender)
    result = crashing.run(*arguments)
    assert result.code == 1 and not cloud.machines, result.err
    assert "Note: Will not run, unless you let scripts run (--enable-autoexec): crash.py." in result.err
    assert "nobody is there to ask" in result.err and "-y" in result.err.rstrip().splitlines()[-1]
    result = crashing.run(*arguments, "--enable-autoexec")
    assert result.code == 0 and "Will not run" not in result.err, result.err


def test_a_blender_that_does_not_fit(cloud: Cloud, project: Project, blender: Path) -> None:
    result = project.run("-f", 1, "--blender", "5.0", "--local-blender", blender)
    assert result.code == 1 and "is Blender 4.2, and the job is for 5.0" in result.err and "--send folder" in result.err
    assert not cloud.machines
