# SPDX-License-Identifier: GPL-3.0-or-later
"""Machine images from Blender: built, listed, tried, copied, deleted; given up, left, refused, and nothing stays."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cloud.command import wait_for
from tests.extension.blender_host import VERSIONS
from tests.extension.scripting import Scripting
from tests.localcloud.cloud import Cloud
from tests.localcloud.quick_blender import quick_blender, rendering

pytestmark = pytest.mark.blender

HELPERS = """
session, images, work = part("ui.session").SESSION, part("ui.images"), part("ui.image_work")

def wait():
    pump_until(lambda: not session.busy)

def build():
    assert work.build(bpy.context, family="c7i", blender=("4.2.23",))

def at_the_first_frame():
    pump_until(lambda: "first frame" in session.baking.doing)
"""


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    """Give the test an account whose machines have a quick Blender; it holds while `tmp_path/hold` is there."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CLOUDRENDER_"))]:
        monkeypatch.delenv(name)
    with Cloud(blenders={"4.2.23": quick_blender(tmp_path / "hold")}) as quick:
        for name, value in quick.env().items():
            monkeypatch.setenv(name, value)
        yield quick


def records() -> list[Path]:
    return [*(Path(os.environ["CLOUDRENDER_HOME"]) / "builds").glob("*/record.json")]


def test_from_a_build_to_its_deletion(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    blender = scripting(VERSIONS[-1])  # the other tests have the oldest
    told, suggested, listed = blender.run(
        HELPERS
        + """
own, suggest = part("ui.preferences").preferences(), part("ui.preferences")._images
build()
assert not work.build(bpy.context, family="c7i", blender=("4.2.23",)), "one at a time"
assert not bpy.ops.cloudrender.build_image.poll()
wait()
told = [session.baked]
[first] = session.images
assert bpy.ops.cloudrender.build_image(
    family="c7i", blender="4.2.23", encryption="NONE", share="1234-5678-9012"
) == {"FINISHED"}
wait()
second = session.baked.image
told.append(session.baked)
replaced = part("ui.image_texts").replaced(second, session.images, session.behind, setting="auto")
assert replaced == (first,), replaced
protections = [part("ui.image_texts").protection(session.behind[image.id]) for image in session.images]
assert protections == ["", "Not encrypted, shared with 123456789012"], protections
assert bpy.ops.cloudrender.delete_image(image_id=first.id) == {"FINISHED"}
wait()
assert [image.id for image in session.images] == [second.id], session.images
try:
    bpy.ops.cloudrender.delete_image(image_id=first.id)
except RuntimeError as refused:
    assert "no such image" in str(refused), refused
else:
    raise AssertionError("it is gone")
suggested = list(suggest(own, bpy.context, ""))
own.image = suggested[-1]
assert own.image == second.id
assert bpy.ops.cloudrender.test_image(image_id=second.id) == {"FINISHED"}
wait()
told.append(session.baked)
assert bpy.ops.cloudrender.copy_image(image_id=second.id, region="eu-west-1    Ireland") == {"FINISHED"}
wait()
told.append(session.baked)
own.region = f"{second.region}, eu-west-1"
assert bpy.ops.cloudrender.refresh_images() == {"FINISHED"}
wait()
listed = [(image.region, image.contents.blender, image.job_id) for image in session.images]
for image in session.images:
    images.delete(bpy.context, image)
wait()
answer = [[(each.title, *each.lines) for each in told], suggested, listed]
"""
    )
    assert [title for title, *_ in told] == ["Image Ready", "Image Ready", "Image Works", "Image Copied"]
    assert re.fullmatch(r"ami-\w+ in us-east-1 cost \$0\.\d+", told[0][1])
    assert told[0][2] == "For machines without GPU, Blender 4.2.23; its first frame was rendered on CPU"
    assert "rendered on CPU, driver none" in told[2][1] and "first frame after" in told[2][2]
    assert "in eu-west-1, for at most $1.0" in told[3][1]
    assert [entry.partition("    ")[0] for entry in suggested[:2]] == ["auto", "public"] and len(suggested) == 3
    assert listed == [["us-east-1", ["4.2.23"], ""], ["eu-west-1", ["4.2.23"], ""]]
    assert cloud.leftovers() == [] and records() == []


def test_a_build_is_given_up(cloud: Cloud, scripting: Callable[..., Scripting], tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    blender = scripting("4.2.23")
    answer = blender.run(
        HELPERS
        + """
build()
at_the_first_frame()
assert bpy.ops.cloudrender.cancel_image() == {"FINISHED"}
wait()
answer = [session.baking, session.baked, bpy.ops.cloudrender.cancel_image()]
"""
    )
    assert answer == [None, None, ["CANCELLED"]]
    assert "Image Build canceled; nothing is left running" in blender.said()
    assert len(cloud.machines) == 1 and cloud.leftovers() == [] and records() == []


@pytest.mark.parametrize("way", ["quit_blender", "disable"])
def test_a_build_is_ended_when_blender_quits_or_the_extension_goes(
    cloud: Cloud, scripting: Callable[..., Scripting], tmp_path: Path, way: str
) -> None:
    (tmp_path / "hold").touch()
    cloud.faults.delay("TerminateInstances", 5.0)  # Blender does not wait for that
    blender = scripting("4.2.23", own=way == "disable")
    blender.run(f"{HELPERS}\nbuild()\nat_the_first_frame()\n{way}()")
    wait_for(lambda: not blender.processes(), "the process in the background to end")
    assert len(cloud.machines) == 1 and cloud.leftovers() == [] and records() == []


def test_what_a_dead_blender_left_is_ended_by_the_next(
    cloud: Cloud, scripting: Callable[..., Scripting], tmp_path: Path
) -> None:
    (tmp_path / "hold").touch()
    blender = scripting("4.2.23")
    running = blender.start(f"{HELPERS}\nbuild()\nwait()")
    wait_for(lambda: rendering(cloud), "the first frame")
    running.process.kill()
    running.process.wait()
    assert cloud.leftovers() and len(records()) == 1
    blender.run(f"{HELPERS}\nwork.tidy()\nwait()")
    assert "Ending what the image build image-" in blender.said()
    assert cloud.leftovers() == [] and records() == []


def test_what_goes_wrong_is_told_with_its_remedy(cloud: Cloud, scripting: Callable[..., Scripting]) -> None:
    cloud.rights.deny("ec2:StopInstances")
    told = scripting("4.2.23").run(
        HELPERS
        + """
answer = []
for versions in (("4.2.23",), ("9.9",), ("new",)):
    work.build(bpy.context, family="c7i", blender=versions)
    wait()
    answer.append([session.baked.title, session.baked.failed, *session.baked.lines, session.baked.hint])
bpy.context.preferences.system.use_online_access = False
for name in ("build_image", "refresh_images", "test_image", "copy_image", "delete_image"):
    assert not getattr(bpy.ops.cloudrender, name).poll(), name
"""
    )
    assert [each[:2] for each in told] == [["Image Build Failed", True]] * 3
    assert "ec2:StopInstances" in told[0][2] and "Copy Images Policy" in told[0][3], told[0]
    assert "no Blender 9.9" in told[1][2] and told[2][2:] == [
        "'new' is not a Blender version",
        "Write it as 4.2 or 4.2.3",
    ]
    assert len(cloud.machines) == 1 and cloud.leftovers() == []
