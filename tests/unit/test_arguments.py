# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong usage of the command: one line says what is wrong and what to write instead."""

from __future__ import annotations

import pytest

from cloudrender_addon.cli.arguments import parse


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        parse(words)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("vcpus", ["abc", "1.5", "0", "100001"])
def test_vcpus_are_a_whole_number(capsys: pytest.CaptureFixture[str], vcpus: str) -> None:
    said = refusal(capsys, "quota", "--request", vcpus)
    assert vcpus in said and "a whole number from 1 to 100000" in said and "_vcpus" not in said


@pytest.mark.parametrize("flags", [("-f",), ("-a", "-s"), ("-a", "-e")])
@pytest.mark.parametrize("frame", ["99999999", "1048575", "-1048575", "x", "1.5"])
def test_frames_that_blender_does_not_know(
    capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], frame: str
) -> None:
    said = refusal(capsys, *flags, frame)
    assert f"argument {flags[-1]}" in said and frame in said and "a whole number from -1048574 to 1048574" in said


def test_all_frames_that_blender_knows() -> None:
    assert [parse(("-f", frame)).frame for frame in ("-1048574", "0", "1048574")] == [-1048574, 0, 1048574]
