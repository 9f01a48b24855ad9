# SPDX-License-Identifier: GPL-3.0-or-later
"""The command needs nothing that only POSIX has: what runs on the user's computer runs on Windows too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cloud import elsewhere
from tests.cloud.command import Project, contrast
from tests.localcloud.cloud import Cloud

pytestmark = [pytest.mark.blender, pytest.mark.program]


def test_the_modules_are_really_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [elsewhere.Missing(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "fcntl", raising=False)
    with pytest.raises(ModuleNotFoundError, match="fcntl"):
        exec("import fcntl", {"__name__": "cloudrender_addon.backend.job.folder"})  # noqa: S102 - by name
    exec("import fcntl", {"__name__": "filelock"})  # noqa: S102


def test_a_whole_job_without_anything_that_only_posix_has(cloud: Cloud, project: Project, blender: Path) -> None:
    program = Path(elsewhere.__file__)
    done = project.run("-a", "-s", 1, "-e", 2, "--local-blender", blender, program=program)
    assert done.code == 0 and "What is sent: the file alone" in done.err, done.err
    assert project.frames() == ["0001.png", "0002.png"]
    assert all(contrast(picture) > 1 for picture in project.pictures().values())
    for arguments in (["jobs"], ["clean-up", "-y"], ["check-setup"]):
        done = project.run(*arguments, program=program)
        assert done.code == 0, (arguments, done.err)
