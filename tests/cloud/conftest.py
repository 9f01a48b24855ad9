# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects for the tests of the whole way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.command import ROOT, Project, project_in
from tests.cloud.forked import ForkingProject, warmed_up
from tests.localcloud.mirror import installed_blenders, launcher_script


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Give a project whose commands are forks of this process, which is quicker, or with the marker `program` none."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if request.node.get_closest_marker("program"):
        with project_in(tmp_path) as made:
            yield made
    else:
        with warmed_up(), project_in(tmp_path, kind=ForkingProject) as made:
            yield made


@pytest.fixture
def blender(tmp_path: Path) -> Path:
    """Give the Blender 4.2 of this computer: a program as any other."""
    program = tmp_path / "my blender"
    program.write_text(launcher_script("4.2.23", installed_blenders()["4.2.23"]))
    program.chmod(0o755)
    return program


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with project_in(tmp_path, "crashing-4.2") as made:
        yield made
