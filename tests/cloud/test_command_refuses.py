# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and a cloud that says no: one line of cause, one of remedy, the right exit code, nothing left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import zstandard

from tests.cloud.command import DATA, Project, Result
from tests.localcloud.cloud import Cloud


def check_explained(result: Result, code: int, *words: str) -> None:
    """See that the last two lines are a cause with these words and a remedy, and that nothing technical leaked."""
    assert result.code == code, result.err
    cause, remedy = result.err.rstrip().splitlines()[-2:]
    assert cause.startswith("cloudrender: ") and remedy.strip().startswith("→ "), result.err
    for word in words:
        assert word in cause + remedy, result.err
    assert "Traceback" not in result.err and "botocore" not in result.err


def launches(cloud: Cloud) -> int:
    return [action for _, action in cloud.calls].count("RunInstances")


@pytest.mark.parametrize(
    "arguments",
    [["-s", "1"], ["-e", "2", "-f", "1"], ["-f", "x"], ["-a", "-f", "1"], ["--nonsense"], ["a.blend", "b.blend"],
     ["attach"], ["jobs", "x"], ["-f"]],
)  # fmt: skip
def test_wrong_usage(cloud: Cloud, project: Project, arguments: list[str]) -> None:
    result = project.run(*arguments)
    check_explained(result, 2)
    assert "usage:" not in result.err and len(result.err.splitlines()) == 2 and not cloud.calls


def test_a_range_without_frames(cloud: Cloud, project: Project) -> None:
    check_explained(project.run("-a", "-s", 5, "-e", 2), 2, "no frames", "-s")
    assert not cloud.machines


def test_several_files_are_listed(cloud: Cloud, project: Project) -> None:
    (project.path / "second.blend").write_bytes(b"")
    check_explained(project.run(), 2, "robot ネコ.blend", "second.blend")


@pytest.mark.parametrize("series", ["4.2", "5.0"])
def test_a_scene_without_camera(cloud: Cloud, project: Project, series: str) -> None:
    shutil.copy(DATA / f"scene-{series}.blend", next(project.path.glob("*.blend")))
    check_explained(project.run("-f", 1), 1, "no camera", "Add > Camera")
    assert not cloud.machines


def test_no_file_here(cloud: Cloud, project: Project) -> None:
    next(project.path.glob("*.blend")).unlink()
    check_explained(project.run(), 1, "no .blend file")


@pytest.mark.parametrize("arguments", [["cleanup"], ["--yes", "clean-up"], ["jbos"]])
def test_a_misspelt_command_is_understood(cloud: Cloud, project: Project, arguments: list[str]) -> None:
    check_explained(project.run(*arguments), 2, "If you mean the command")
    assert not cloud.calls


def test_a_missing_file(cloud: Cloud, project: Project) -> None:
    check_explained(project.run("no such.blend"), 1, "no such.blend")
    assert launches(cloud) == 0


@pytest.mark.parametrize("size", [0, 100, 50_000])
def test_a_damaged_file(cloud: Cloud, project: Project, size: int) -> None:
    (project.path / "bad.blend").write_bytes((DATA / "tiny-4.2.blend").read_bytes()[:size])
    check_explained(project.run("bad.blend"), 1, "bad.blend", "save it again")
    assert launches(cloud) == 0


def test_a_file_that_is_none_of_blenders(cloud: Cloud, project: Project) -> None:
    (project.path / "text.blend").write_text("Dear diary, today I made a scene.")
    check_explained(project.run("text.blend"), 1, "text.blend is not a Blender file")
    assert not cloud.calls


def test_a_file_of_a_blender_that_is_not_released(cloud: Cloud, project: Project) -> None:
    with (DATA / "tiny-5.0.blend").open("rb") as file:
        data = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
    (project.path / "future.blend").write_bytes(data.replace(b"17-01v0500", b"17-01v0909", 1))
    result = project.run("future.blend", "-f", 1)
    check_explained(result, 1, "future.blend was saved by Blender 9.9", "Save it with a released Blender")
    assert "--blender" not in result.err.splitlines()[-1] and not cloud.machines


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--image", "ami-00000000000000000"], ["ami-00000000000000000"]),
        (["--image", "nonsense"], ["nonsense"]),
        (["-c", "g9x.huge"], ["g9x.huge"]),
        (["-c", "c7g.large"], ["c7g.large", "Graviton", "c7i.large"]),
        (["-c", "c7i.large,c7g.large"], ["c7g.large", "Graviton"]),
        (["-c", "g4ad.xlarge"], ["AMD", "g4dn"]),
        (["--subnet", "subnet-00000000000000000"], ["subnet-00000000000000000"]),
        (["--ssh-port", "0"], ["ssh port"]),
        (["--ssh-user", "no user!"], ["user"]),
        (["--profile", "nobody"], ["nobody"]),
        (["--blender", "latest"], ["latest"]),
        (["--blender", "3.6"], ["3.6"]),
        (["--blender", "9.9"], ["9.9"]),
        (["--blender", "4.2.99"], ["4.2.99"]),
        (["--max-hours", "-1"], ["max hours"]),
    ],
)
def test_an_unusable_wish(cloud: Cloud, project: Project, arguments: list[str], words: list[str]) -> None:
    result = project.run("-f", 1, *arguments)
    check_explained(result, 2 if arguments[0] in ("--blender", "--ssh-port", "--max-hours") else 1, *words)
    assert not cloud.machines


def test_a_machine_type_that_is_not_there_is_told_before_anything_is_packed(cloud: Cloud, project: Project) -> None:
    check_explained(project.run("-f", 1, "-c", "g4dn.xlagre"), 1, "g4dn.xlagre", "perhaps g4dn.xlarge")
    assert project.run("jobs").out.strip() == "No jobs yet"


def test_a_region_that_is_not_there(cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody answers in its name
    result = project.run("-f", 1, "--region", "eu-centrl-1")
    check_explained(result, 1, "There is no AWS region eu-centrl-1", "eu-central-1")


def test_the_output_folder_cannot_be_made(cloud: Cloud, project: Project) -> None:
    (project.path / "file").touch()
    check_explained(project.run("-f", 1, "-o", "file"), 1, "file", "-o")
    check_explained(project.run("-f", 1, "-o", "file/out"), 1, "is a file", "-o")


def test_a_render_that_is_refused_leaves_no_folder(cloud: Cloud, project: Project) -> None:
    check_explained(project.run("-f", 1, "-c", "g4dn.xlagre"), 1, "g4dn.xlagre")
    cloud.faults.api("RunInstances", "VcpuLimitExceeded", times=99)
    check_explained(project.run("-f", 1, "-o", "deep/frames"), 1, "quota")
    assert [path.name for path in project.path.iterdir()] == ["robot ネコ.blend"]


def test_a_config_file_with_a_mistake(cloud: Cloud, project: Project, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "config.toml").write_text("colour = 1")
    monkeypatch.setenv("CLOUDRENDER_CONFIG", str(tmp_path / "config.toml"))
    check_explained(project.run("-f", 1), 1, "colour")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("MaxSpotInstanceCountExceeded", ["L-3819A6DF"]),
        ("VcpuLimitExceeded", ["quota"]),
        ("InsufficientInstanceCapacity", ["g4dn.xlarge"]),
        ("UnauthorizedOperation", ["ec2:RunInstances"]),
        ("SpotMaxPriceTooLow", []),
        ("OptInRequired", []),
        ("PendingVerification", []),
        ("Unsupported", []),
    ],
)
def test_a_refused_launch(cloud: Cloud, project: Project, code: str, words: list[str]) -> None:
    cloud.faults.api("RunInstances", code, times=99)
    check_explained(project.run("-f", 1, "--wait-minutes", 0), 1, *words)
    assert not cloud.machines


@pytest.mark.parametrize(
    ("code", "word"), [("ExpiredToken", "expired"), ("AuthFailure", "key"), ("InvalidClientTokenId", "key")]
)
def test_credentials_that_are_no_good(cloud: Cloud, project: Project, code: str, word: str) -> None:
    cloud.faults.api("*", code, times=999)
    check_explained(project.run("-f", 1), 1, word, "AWS")


def test_throttling_is_waited_out(cloud: Cloud, project: Project) -> None:
    cloud.faults.throttle("RunInstances", times=2)
    cloud.faults.throttle("DescribeInstances", times=2)
    assert project.run("-f", 1).code == 0


def test_no_credentials_at_all(cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    check_explained(project.run("-f", 1), 1, "credentials", "aws configure")


def test_no_cloud_at_all(cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    check_explained(project.run("-f", 1), 1, "reach")


def test_a_job_that_is_not_there(cloud: Cloud, project: Project) -> None:
    for command in ("attach", "fetch", "cancel"):
        check_explained(project.run(command, "nothing"), 1, "nothing", "cloudrender jobs")


def test_large_content_is_not_sent_unasked(cloud: Cloud, project: Project) -> None:
    with (project.path / "cache.bin").open("wb") as file:
        file.truncate(2 * 1024**3)
    check_explained(project.run("-f", 1, "--send", "folder"), 1, "cache.bin", "-y")
    assert not cloud.machines
    (project.path / ".cloudrenderignore").write_text("*.bin\n")
    assert project.run("-f", 1, "--send", "folder").code == 0


def test_what_is_left_out_is_told_and_not_asked(cloud: Cloud, project: Project) -> None:
    (project.path / ".env").write_text("SECRET=1")
    result = project.run("-f", 1, "--send", "folder")
    assert result.code == 0 and "Note: Not sent, because keys or passwords may be in it: .env." in result.err


def test_a_home_folder_is_not_sent_unasked(cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project.path))
    check_explained(project.run("-f", 1, "--send", "folder"), 1, "home", "-y")


def test_verbose_shows_the_traceback(cloud: Cloud, project: Project) -> None:
    result = project.run("no such.blend", "-v")
    assert result.code == 1 and "Traceback" in result.err
