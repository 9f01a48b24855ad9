# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong usage of the command: one line says what is wrong, one what to write instead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloudrender_addon.backend.errors import UsageError
from cloudrender_addon.cli.arguments import COMMANDS, parse
from cloudrender_addon.cli.main import main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go where there is no file, and no configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUDRENDER_CONFIG", str(tmp_path / "none"))


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """Return the two lines that are said, and nothing else."""
    assert main(words) == 2
    said = capsys.readouterr()
    cause, remedy = said.err.splitlines()
    assert said.out == "" and cause.startswith("cloudrender: ") and remedy.startswith("  → ")
    return cause.removeprefix("cloudrender: "), remedy.removeprefix("  → ")


@pytest.mark.parametrize(
    ("line", "cause", "remedy"),
    [
        ("--profil x", "There is no flag --profil", "Perhaps --profile;"),
        ("--max-cots=3", "There is no flag --max-cots", "Perhaps --max-cost"),
        ("image build --family g5 --blendre 4.2", "There is no flag --blendre", "Perhaps --blender;"),
        ("--frame 3", "There is no flag --frame", "Perhaps -f;"),
        ("a.blend --animation", "There is no flag --animation", "Perhaps -a;"),
        ("--instance-type g5.xlarge", "There is no flag --instance-type", "Perhaps -c;"),
        ("--xyzzy", "There is no flag --xyzzy", "`cloudrender --help`"),
        ("jobs --xyzzy", "There is no flag --xyzzy", "`cloudrender jobs --help`"),
        ("a.blend b.blend", "'b.blend' is one word too many", "in quotes"),
        ("jobs x", "'x' is one word too many", "`cloudrender jobs --help`"),
        ("-f", "A value is missing after -f", "Write -f FRAME: render one frame"),
        ("--keep", "A value is missing after --keep", "Write --keep MINUTES: leave the machine up"),
        ("-a -f 1", "-f and -a exclude each other", "Leave one of them out"),
        ("-s 1", "-s and -e choose the range of an animation", "Add -a, or use -f for one frame"),
        ("--fresh-machine=1", "--fresh-machine takes no value, and '1' stands there", "Write --fresh-machine: "),
        ("attach", "JOB is missing", "Write cloudrender attach JOB: "),
        ("image", "`cloudrender image` alone does nothing", "build | list | test"),
        ("image biuld", "`cloudrender image` knows no 'biuld'", "Perhaps build; these are known: build, list"),
        ("image copy", "AMI is missing", "`cloudrender image list` tells it"),
        ("image build --famly g5", "There is no flag --famly", "Perhaps --family;"),
        ("image share ami-1", "No account is named", "`cloudrender image share AMI ACCOUNT`"),
        ("image share ami-1 12", "'12' is not the id of an AWS account", "It has 12 digits"),
        ("image delete", "No image is named", "--old all old ones"),
        ("image delete ami-1 --old", "Either images are named, or --old", "--old all old ones"),
        ("image copy ami-1", "--region is missing", "Write --region REGION: "),
        ("atach 2026", "There is no file atach", "cloudrender attach …"),
        ("jbos --jsno", "There is no file jbos", "cloudrender jobs …"),
        ("help", "There is no command help", "`cloudrender --help`"),
        ("--max-hours -1", "'-1' is not a usable max hours (given as --max-hours)", "a number from"),
    ],
)
def test_wrong_usage_is_two_lines(capsys: pytest.CaptureFixture[str], line: str, cause: str, remedy: str) -> None:
    said = refusal(capsys, *line.split())
    assert said[0].startswith(cause) and remedy in said[1], said


def test_a_file_that_is_named_like_a_command_is_one() -> None:
    Path("atach").touch()
    with pytest.raises(UsageError, match="one word too many"):
        parse(["atach", "b.blend"])


def test_programs_are_told_as_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--xyzzy"]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["kind"] == "UsageError" and said.err == ""


@pytest.mark.parametrize("command", ["", *COMMANDS[1:]])
def test_the_usage_comes_with_help_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    said = capsys.readouterr().out
    assert caught.value.code == 0 and said.startswith(f"usage: cloudrender {command}".strip())
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("vcpus", ["abc", "1.5", "0", "100001"])
def test_vcpus_are_a_whole_number(capsys: pytest.CaptureFixture[str], vcpus: str) -> None:
    cause, remedy = refusal(capsys, "quota", "--request", vcpus)
    assert cause == f"{vcpus!r} is not a number of vCPUs" and "a whole number from 1 to 100000" in remedy


@pytest.mark.parametrize("flags", [("-f",), ("-a", "-s"), ("-a", "-e")])
@pytest.mark.parametrize("frame", ["99999999", "1048575", "-1048575", "x", "1.5"])
def test_frames_that_blender_does_not_know(
    capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], frame: str
) -> None:
    cause, remedy = refusal(capsys, *flags, frame)
    assert cause == f"{frame!r} is not a frame" and "a whole number from -1048574 to 1048574" in remedy


def test_all_frames_that_blender_knows() -> None:
    assert [parse(("-f", frame)).frame for frame in ("-1048574", "0", "1048574")] == [-1048574, 0, 1048574]


def test_a_reader_that_goes_is_nothing_to_complain_about() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cloudrender_addon", "policy"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environ, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
