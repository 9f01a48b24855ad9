# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects for the tests of the whole way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.command import ROOT, Project, project_in


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with project_in(tmp_path) as made:
        yield made


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with project_in(tmp_path, "crashing-4.2") as made:
        yield made
