# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that Blender leaves incomplete, by the real command and a real Blender: rendered again, or set aside."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cloud.command import DATA, Project
from tests.localcloud.cloud import Cloud

pytestmark = [pytest.mark.blender, pytest.mark.program]

_PYTHON = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudrender-dev/bpy-4.2.23/bin/python"

# A script in the .blend that cuts the image of frame 2 short, the first time, and that of frame 4 always.
_CUTTING = """
import bpy, os
cut = []
def shorten(scene, *_):
    frame = scene.frame_current
    if frame == 4 or (frame == 2 and 2 not in cut):
        cut.append(frame)
        path = scene.render.filepath + scene.render.file_extension
        os.truncate(path, os.path.getsize(path) - 20)
bpy.app.handlers.render_write.append(shorten)
"""

_SAVE = """
import bpy, os, sys
source, script, target = sys.argv[1:]
bpy.ops.wm.open_mainfile(filepath=source)
text = bpy.data.texts.new("cutting.py")
text.use_module = True
text.write(script)
bpy.ops.wm.save_as_mainfile(filepath=target, copy=True)
sys.stdout.flush()
os._exit(0)
"""


def test_a_frame_cut_short_is_rendered_again_or_set_aside(cloud: Cloud, project: Project) -> None:
    [blend] = project.path.glob("*.blend")
    made = subprocess.run(
        [_PYTHON, "-I", "-c", _SAVE, DATA / "tiny-4.2.blend", _CUTTING, blend],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Error" not in made.stdout + made.stderr, made.stdout + made.stderr
    result = project.run("-a", "-e", 5, "--enable-autoexec")
    assert result.code == 1, result.err
    assert list(project.pictures()) == ["0001.png", "0002.png", "0003.png", "0005.png"]
    assert "Frame 4 was set aside: Blender wrote 0004.png, which is no complete image: it is cut short" in result.err
    assert "1 of 5 frames could not be rendered: 4" in result.err and "Frame 2 was set aside" not in result.err
    assert len(cloud.machines) == 1
