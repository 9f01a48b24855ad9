# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender check-snapshot` by the real command and a real Blender: no cloud, and no account, is needed for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudrender_addon.cli.main import main
from tests.cloud.command import ROOT, Project, wait_for
from tests.localcloud.mirror import installed_blenders
from tests.localcloud.processes import marked

pytestmark = [pytest.mark.blender, pytest.mark.program]

BLENDERS = installed_blenders()  # now: the tests have another home
PYTHON = BLENDERS["4.2.23"] / "bin" / "python"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("check") / "Mein Film ü"
    folder.mkdir()
    script = Path(__file__).parents[1] / "blender" / "check_scene.py"
    subprocess.run([PYTHON, script, folder], check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture
def project(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name in [name for name in os.environ if name.startswith(("AWS_", "CLOUDRENDER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLOUDRENDER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CLOUDRENDER_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("CLOUDRENDER_LOCAL_BLENDER", str(PYTHON))
    monkeypatch.setenv("HOME", str(tmp_path))
    made = Project(film, tmp_path)
    yield made
    for running in made.running:
        running.kill()
    (film / ".cloudrenderignore").unlink(missing_ok=True)


def test_identical(project: Project, tmp_path: Path) -> None:
    result = project.run("check-snapshot", "film.blend", "-o", tmp_path / "pictures")
    lines = result.out.splitlines()
    assert result.code == 0, result.err
    assert lines[:3] == [
        "Identical: frame 1 of the bundle is the same to the pixel",
        f"Open file   {tmp_path / 'pictures' / 'open-file.png'}",
        f"Bundle      {tmp_path / 'pictures' / 'bundle.png'}",
    ]
    assert all(Path(line[12:]).is_file() for line in lines[1:3])
    assert len(lines) == 4 and lines[3].startswith("Note        ") and "Not baked" in lines[3]
    assert "What is sent: 2 files" in result.err and not list((tmp_path / "home").glob("check-*"))


def test_what_is_not_sent_shows(project: Project, tmp_path: Path) -> None:
    (project.path / ".cloudrenderignore").write_text("tex/\n")
    result = project.run("check-snapshot", "film.blend", "-o", tmp_path / "pictures")
    lines = result.out.splitlines()
    assert result.code == 1 and lines[0].startswith("Different: ") and lines[0].endswith("% of the pixels of frame 1")
    assert lines[1].startswith("  → Probably ") and "--send folder" in lines[1]
    titles = [line[:12].strip() for line in lines[2:]]
    assert titles == ["Open file", "Bundle", "Difference", "Note", "Note"] and "tex/wood.png" in lines[-1]
    assert (tmp_path / "pictures" / "difference.png").is_file()


def test_for_programs_and_of_the_whole_folder(project: Project, tmp_path: Path) -> None:
    result = project.run("check-snapshot", "film.blend", "--send", "folder", "-o", tmp_path / "pictures", "--json")
    *notices, said = map(json.loads, result.out.splitlines())
    assert result.code == 0 and result.err == "" and {each["event"] for each in notices} == {"notice"}
    assert said["event"] == "snapshot_check" and said["identical"] and said["differing"] == 0.0
    assert said["bundle"] == str(tmp_path / "pictures" / "bundle.png") and said["difference"] is None
    assert said["missing"] == said["left_out"] == said["outside"] == said["warnings"] == []


def test_a_file_that_is_missing_everywhere_is_named(project: Project, tmp_path: Path) -> None:
    wood = project.path / "tex" / "wood.png"
    kept = wood.rename(tmp_path / "wood.png")
    try:
        result = project.run("check-snapshot", "film.blend", "-o", tmp_path / "pictures")
    finally:
        kept.rename(wood)
    assert result.code == 1 and result.out.startswith("Missing: 1 file, "), result.out
    assert "Otherwise identical: " in result.out
    assert any(line.startswith("Missing ") and "wood.png" in line for line in result.out.splitlines())


def test_no_picture(project: Project, tmp_path: Path) -> None:
    result = project.run("check-snapshot", "no_camera.blend", "-o", tmp_path / "pictures")
    lines = result.out.splitlines()
    assert result.code == 1 and lines[0] == "No picture: The scene 'Scene' has no camera"
    assert lines[1].startswith("  → ")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere.blend"], 1, "There is no file"),
        ([], 2, "There are several .blend files here"),
        (["film.blend", "--local-blender", "/nowhere/blender"], 1, "/nowhere/blender does not exist"),
        (["film.blend", "--frames", "3"], 2, "There is no flag --frames"),
    ],
)
def test_bad_input(project: Project, words: list[str], code: int, said: str) -> None:
    result = project.run("check-snapshot", *words)
    assert result.code == code and said in result.err and result.out == ""


def test_no_blender_of_that_series(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cloudrender_addon.cli.check_snapshot.blender_for", lambda *_, **__: None)
    assert main(["check-snapshot", str(project.path / "film.blend")]) == 1
    said = capsys.readouterr().err
    assert "There is no Blender 4.2 on this computer" in said and "--local-blender" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_be_stopped_and_leaves_nothing(project: Project, tmp_path: Path, number: signal.Signals) -> None:
    running = project.start("check-snapshot", "film.blend", "-o", tmp_path / "pictures")
    home = tmp_path / "home"
    wait_for(
        lambda: "Rendering a small frame" in running.said() or running.process.poll() is not None, "the first frame"
    )
    running.process.send_signal(number)
    result = running.wait()
    assert result.code == 130 and result.err.endswith("Cancelled\n")
    assert not list(home.glob("check-*"))
    mark = f"CLOUDRENDER_HOME={home}"
    assert not marked(variable=mark, argument=mark)


@pytest.mark.parametrize("version", ["4.2.23", "5.0.1"])
def test_a_project_with_every_kind_of_file_is_identical_and_stays_as_it_is(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    python = BLENDERS[version] / "bin" / "python"
    whole = tmp_path / "whole"
    command = [python, "-m", "tests.tracing.whole_project", whole]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    monkeypatch.setenv("CLOUDRENDER_LOCAL_BLENDER", str(python))
    blend = whole / "project" / "shots" / "Küche 01.blend"
    result = project.run("check-snapshot", blend, "-o", tmp_path / "pictures")
    assert result.code == 1 and result.out.startswith("Missing: 1 file, "), result.out
    assert "Otherwise identical: " in result.out
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before
