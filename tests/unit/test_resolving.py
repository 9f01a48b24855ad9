# SPDX-License-Identifier: GPL-3.0-or-later
"""From a stored path to files, where that takes no Blender."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloudrender_addon.tracing.disk import Disk
from cloudrender_addon.tracing.reference import Kind
from cloudrender_addon.tracing.resolving import Resolver


def test_a_shader_goes_with_what_it_was_compiled_to_unless_it_was_edited_since(tmp_path: Path) -> None:
    script, compiled = tmp_path / "glow.osl", tmp_path / "glow.oso"
    for path in (script, compiled):
        path.write_text("shader glow() {}")
        os.utime(path, (1000, 1000))
    found = Resolver(Disk(), str(tmp_path)).find(str(script), Kind.SCRIPT)
    assert set(found.files) == {"glow.osl", "glow.oso"}
    # Files are all as old on the machine, where the old one would be rendered with.
    os.utime(script, (2000, 2000))
    found = Resolver(Disk(), str(tmp_path)).find(str(script), Kind.SCRIPT)
    assert set(found.files) == {"glow.osl"}


@pytest.mark.parametrize("name", ["../secret.png", "deep/er.png", ".."])
def test_a_strip_names_files_and_no_paths(tmp_path: Path, name: str) -> None:
    project = tmp_path / "project"
    (project / "strip" / "deep").mkdir(parents=True)
    for path in ("secret.png", "strip/deep/er.png", "strip/one.png"):
        (project / path).write_bytes(b"")
    found = Resolver(Disk(), str(project)).names(str(project / "strip"), ("one.png", name))
    assert set(found.files) == {"strip/one.png"}
    assert found.missing or found.left_out
