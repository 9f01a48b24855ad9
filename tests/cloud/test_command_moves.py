# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS recommends to leave a machine: between frames, when it is worth it, and losing nothing."""

from __future__ import annotations

import pytest

from tests.cloud.command import Project
from tests.localcloud.cloud import Cloud

pytestmark = pytest.mark.blender


def test_a_machine_is_left_between_frames(cloud: Cloud, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDRENDER_MOVE_MINUTES", "0")
    cloud.on_frames(2, cloud.recommend)
    result = project.run("-a", "-e", 600)
    assert result.code == 0 and "The machine was left, as Amazon recommends" in result.err, result.err
    assert len(project.pictures()) == 600
    first, second = cloud.machines
    assert first.frames < 600 and first.frames + second.frames == 600, "a frame was lost, or rendered twice"


def test_a_short_rest_is_rendered_where_it_is(cloud: Cloud, project: Project) -> None:
    cloud.on_frames(2, cloud.recommend)
    result = project.run("-a", "-e", 400)
    assert result.code == 0 and "likelier to be taken back" in result.err, result.err
    assert len(project.pictures()) == 400 and len(cloud.machines) == 1
