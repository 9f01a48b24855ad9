# SPDX-License-Identifier: GPL-3.0-or-later
"""The benches of transfer measure what they say, in small."""

from __future__ import annotations

import pytest

from bench import bundle, transfer


def test_transfers_side_by_side(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "missing", lambda: "it needs root")
    transfer.main(["--megabytes", "2", "--files", "20", "--rounds", "1"])
    said = capsys.readouterr().out
    assert "no delay line, as it needs root" in said
    for way in ("2 MB large, up", "2 MB large, down", "20 × 20 KB small, up", "20 × 20 KB small, down"):
        assert f"{way}, round trip 0 ms" in said
    rows = [line.split()[0] for line in said.splitlines() if line.startswith("  ") and line.split()]
    assert rows.count("ours") == 4 and rows.count("ours,") == 2 and rows.count("tar") == 4


def test_bundling_and_a_second_push(capsys: pytest.CaptureFixture[str]) -> None:
    bundle.main(["--megabytes", "30", "--rounds", "1"])
    said = capsys.readouterr().out
    assert "hash, bundle into a file" in said
    [second] = [line for line in said.splitlines() if "second push" in line]
    assert float(second.split()[-4]) < 1, "an unchanged project sends less than a hundredth"
