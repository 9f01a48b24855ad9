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
