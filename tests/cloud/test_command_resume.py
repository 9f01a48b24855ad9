# SPDX-License-Identifier: GPL-3.0-or-later
"""`--resume`: only what is missing in the output folder is rendered, and nothing is rented for nothing."""

from __future__ import annotations

import pytest

from tests.cloud.command import Project
from tests.localcloud.cloud import Cloud

pytestmark = [pytest.mark.blender, pytest.mark.program]


def test_only_missing_frames_are_rendered(cloud: Cloud, project: Project) -> None:
    assert project.run("-a", "-e", 4).code == 0
    kept = (project.out / "0001.png").stat().st_mtime_ns
    (project.out / "0003.png").unlink()
    (project.out / "0002.png").write_bytes((project.out / "0002.png").read_bytes()[:-1])
    result = project.run("-a", "--resume")
    assert result.code == 0, result.err
    assert f"2 of 6 frames are in {project.out} already; rendering 4" in result.err
    assert list(project.pictures()) == [f"{n:04d}.png" for n in range(1, 7)]
    assert (project.out / "0001.png").stat().st_mtime_ns == kept
    assert cloud.machines[1].frames == 4
    again = project.run("-a", "--resume")
    assert again.code == 0 and f"All 6 frames are in {project.out} already: nothing to render" in again.err
    single = project.run("-f", 2, "--resume")
    assert single.code == 0 and f"The frame is in {project.out} already" in single.err
    assert len(cloud.machines) == 2
    assert project.run("-f", 2).code == 0 and len(cloud.machines) == 3, "without the flag all is rendered again"
