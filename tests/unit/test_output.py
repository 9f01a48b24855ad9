# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether frames can be written to a folder is known before it is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloudrender_addon.backend.errors import ConfigError
from cloudrender_addon.backend.job.output import check_output


def test_a_folder_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    check_output(tmp_path)
    check_output(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/out", "file/deep/out"])
def test_a_file_is_in_the_way(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file is a file") as caught:
        check_output(tmp_path / name)
    assert "(-o)" in caught.value.hint


@pytest.mark.parametrize("name", [".", "out"])
def test_a_folder_that_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # as for anybody but root
    with pytest.raises(ConfigError, match="cannot be written to"):
        check_output(tmp_path / name)
