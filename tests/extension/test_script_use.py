# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts in a Blender without a window render in the cloud: they wait for the end and are told how it went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from tests.cloud.command import difference, wait_for
from tests.extension.blender_host import VERSIONS
from tests.extension.scripting import Scripting
from tests.localcloud.cloud import Cloud

pytestmark = pytest.mark.blender

WITH_CHANGES = """
background = bpy.context.scene.world.node_tree.nodes["Background"]
background.inputs["Color"].default_value = (1, 0, 0, 1)
bpy.context.scene.frame_end = 2
bpy.data.images.load("//texture.png").use_fake_user = True
bpy.data.images.new("Painted", 8, 8).pixels[0] = 1
bpy.data.images.new("Packed", 8, 8).pack()
"""


def red(picture: Image.Image) -> float:
    """Return how much redder than green it is on the average, 0 to 255."""
    means = ImageStat.Stat(picture).mean
    return means[0] - means[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_open_session_is_rendered_and_stays_as_it_is(
    cloud: Cloud, scripting: Callable[..., Scripting], version: str
) -> None:
    blender = scripting(version)
    on_disk = blender.blend.read_bytes()
    before, done, after = blender.run(
        f"{WITH_CHANGES}\n"
        "before = session_state()\n"
        "answer = [before, bpy.ops.cloudrender.render(animation=True), session_state()]"
    )
    assert done == ["FINISHED"], blender.said()
    pictures = blender.pictures()
    assert list(pictures) == ["0001.png", "0002.png"]
    assert difference(*pictures.values()) > 5
    assert all(red(picture) > 50 for picture in pictures.values()), "it is what was open, not what is on disk"
    assert after == before and len(before) > 100
    assert blender.blend.read_bytes() == on_disk
    assert len(cloud.machines) == 1


def test_an_image_has_a_folder_of_its_own(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    blender = scripting("4.2.23")
    assert blender.run("bpy.context.scene.frame_set(4); answer = bpy.ops.cloudrender.render()") == ["FINISHED"]
    assert list(blender.pictures("out/image")) == ["0004.png"] and not blender.pictures()


def test_exactly_the_frames_that_are_asked_for(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    blender = scripting("4.2.23")
    assert blender.run(
        """
        scene, answer = bpy.context.scene, []
        def render(folder):
            scene.cloudrender.output = folder
            answer.extend(bpy.ops.cloudrender.render(animation=True))
        scene.cloudrender.frames, scene.cloudrender.custom_frames = "CUSTOM", "1-5x2,4"
        render("//custom/")
        scene.cloudrender.frames, scene.frame_start, scene.frame_end, scene.frame_step = "SCENE", 2, 6, 3
        render("//scene/")
        scene.cloudrender.frames = "CURRENT"
        scene.frame_set(-3)
        render("//current/")
        """
    ) == 3 * ["FINISHED"]
    assert list(blender.pictures("custom")) == ["0001.png", "0003.png", "0004.png", "0005.png"]
    assert list(blender.pictures("scene")) == ["0002.png", "0005.png"]
    assert list(blender.pictures("current")) == ["-0003.png"]
    assert sum(machine.frames for machine in cloud.machines) == 7


def test_a_file_that_was_never_saved(cloud: Cloud, scripting: Callable[..., Scripting], tmp_path: Path) -> None:
    blender = scripting("4.2.23")
    answer = blender.run(
        """
        bpy.ops.wm.read_homefile(use_factory_startup=True)
        scene = bpy.context.scene
        scene.render.engine, scene.render.resolution_x, scene.render.resolution_y = "CYCLES", 64, 36
        scene.cycles.samples = 4
        answer = [bpy.ops.cloudrender.render(), bpy.data.filepath]
        """,
        TMPDIR=str(tmp_path),
    )
    assert answer == [["FINISHED"], ""], blender.said()
    assert [path.name for path in tmp_path.glob("cloudrender/image/*")] == ["0001.png"]
    assert "The file was never saved: its frames go to a temporary folder" in blender.said()


def test_a_missing_file_is_refused_unless_the_script_accepts_that(
    cloud: Cloud, scripting: Callable[..., Scripting]
) -> None:
    blender = scripting("4.2.23")
    answer = blender.run(
        """
        image = bpy.data.images.new("Wood", 8, 8)
        image.source, image.filepath = "FILE", "//gone.png"
        bpy.context.scene.world.node_tree.nodes.new("ShaderNodeTexEnvironment").image = image
        answer = [bpy.ops.cloudrender.render(), bpy.ops.cloudrender.render(accept_missing=True)]
        """
    )
    assert answer == [["CANCELLED"], ["FINISHED"]], blender.said()
    assert "Missing files that robot ネコ.blend uses: image Wood" in blender.said()
    assert len(cloud.machines) == 1 and list(blender.pictures("out/image"))


def test_what_cannot_be_rendered_is_cancelled_with_cause_and_remedy(
    cloud: Cloud, scripting: Callable[..., Scripting]
) -> None:
    cloud.quotas.values["L-3819A6DF"] = 0
    blender = scripting("4.2.23")
    answer = blender.run(
        """
        answer, own = [], part("ui.preferences").preferences()
        def refused():
            answer.append(bpy.ops.cloudrender.render(animation=True))
        bpy.context.preferences.system.use_online_access = False
        refused()
        bpy.context.preferences.system.use_online_access = True
        refused()
        own.image = "ami-00000000000000000"
        refused()
        own.profile = "nobody"
        refused()
        bpy.context.scene.camera = None
        refused()
        """
    )
    assert answer == 5 * [["CANCELLED"]]
    for cause, remedy in {
        "Warning: Blender is offline. ": "Turn on Allow Online Access",
        "cloudrender: Your AWS account may not run a g4dn.xlarge spot machine": "→ Request Increase",
        "cloudrender: The machine image ami-00000000000000000 does not exist": "→ Image ids differ",
        "cloudrender: There is no AWS profile named nobody": "→ `aws configure list-profiles`",
        "Warning: The scene has no camera. ": "Add one with Add > Camera",
    }.items():
        assert remedy in blender.said().partition(cause)[2], blender.said()
    assert not cloud.machines


def test_ctrl_c_ends_the_machine_and_the_script_goes_on(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    blender = scripting("4.2.23")
    running = blender.start("bpy.context.scene.frame_end = 4000; answer = bpy.ops.cloudrender.render(animation=True)")
    wait_for(lambda: len(blender.pictures()) >= 2, "two frames")
    running.interrupt()
    wait_for(lambda: "Stopping" in running.said(), "an answer to Ctrl-C")
    running.interrupt()
    assert running.answer() == ["CANCELLED"]
    assert "Left running: nothing" in running.said() and 2 <= len(blender.pictures()) < 4000


@pytest.mark.parametrize("version", VERSIONS)
def test_the_command_under_blenders_python(cloud: Cloud, scripting: Callable[..., Scripting], version: str) -> None:
    blender = scripting(version)
    answer = blender.run(
        """
        def run(*words):
            return part("cli.blender").run(words, preset=part("ui.preferences").preset())
        answer = [run("--help"), run("jobs"), run("--nonsense"), run("-f", "1", "--image", "nonsense")]
        bpy.context.preferences.system.use_online_access = False
        answer += [run("jobs"), run("policy"), run("-f", "1"), run("attach", "jobs")]
        """
    )
    assert answer == [0, 0, 2, 1, 0, 0, 1, 1], blender.said()
    assert "cloudrender: Blender is offline\n  → Start it with --online-mode" in blender.said()
    assert not cloud.machines
