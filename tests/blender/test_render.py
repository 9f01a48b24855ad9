# SPDX-License-Identifier: GPL-3.0-or-later
"""render.py in real Blenders: what comes out of a frame, and what is refused before money is spent on it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cloudrender_addon.backend.scene import read_scene
from cloudrender_addon.instance.blender_process import BlenderDied, BlenderProcess
from tests.localcloud.gpu_machine import environment, furnish

pytestmark = pytest.mark.blender

_LAUNCHER = Path(__file__).parents[1] / "localcloud" / "blender_launcher.py"
_SCENES = Path(__file__).with_name("scenes.py")


@pytest.fixture(scope="session")
def scenes(version: str, blender_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"scenes-{version}")
    done = subprocess.run([blender_python, _SCENES, folder], capture_output=True, text=True, timeout=120, check=False)
    assert (folder / "script.blend").exists(), done.stdout + done.stderr
    return folder


class Machine:
    """A machine's folder, and a Blender on it."""

    def __init__(self, root: Path, version: str, scenes: Path, *, python: Path) -> None:
        self.root = root
        self.scenes = scenes
        (root / "project").mkdir()
        self.work = root / "work"
        self.work.mkdir()
        self.log = root / "blender.log"
        self.blender = root / "blender"
        self.blender.write_text(f'#!/bin/sh\nexec "{python}" -I "{_LAUNCHER}" {version} "$0" "$@"\n')
        self.blender.chmod(0o755)

    def open(
        self,
        name: str,
        *,
        gpu: bool = False,
        autoexec: bool = False,
        on_first_sample: Callable[[], object] = lambda: None,
    ) -> BlenderProcess:
        """Start Blender on one of the scenes."""
        blend = self.root / "project" / f"{name}.blend"
        if (self.scenes / blend.name).exists():
            shutil.copy(self.scenes / blend.name, blend)
        plan = {"blend": blend.name, "frames": [], "blender": "", "mirror": "", "gpu": gpu, "autoexec": autoexec}
        plan["move_seconds"] = None
        (self.root / "plan.json").write_text(json.dumps(plan))
        return BlenderProcess(
            executable=self.blender,
            blend=blend,
            autoexec=autoexec,
            plan=self.root / "plan.json",
            work=self.work,
            log=self.log,
            on_first_sample=on_first_sample,
        )

    def render(self, name: str, *frames: int, **options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the scene's reply and the frames'."""
        with self.open(name, **options) as blender:
            scene = blender.reply()
            replies = []
            for frame in frames:
                blender.render(frame)
                replies.append(blender.reply())
        return scene, replies

    def image(self, reply: dict[str, Any], name: str | None = None) -> Path:
        return self.work / str(reply["frame"]) / (name or reply["files"][0])


@pytest.fixture
def machine(tmp_path: Path, version: str, scenes: Path, blender_python: Path) -> Iterator[Machine]:
    return Machine(tmp_path, version, scenes, python=blender_python)


@pytest.mark.parametrize(
    ("name", "extension", "magic"),
    [
        ("PNG", ".png", b"\x89PNG"),
        ("JPEG", ".jpg", b"\xff\xd8\xff"),
        ("OPEN_EXR", ".exr", b"\x76\x2f\x31\x01"),
        ("OPEN_EXR_MULTILAYER", ".exr", b"\x76\x2f\x31\x01"),
    ],
)
def test_a_scene_keeps_its_format(machine: Machine, name: str, extension: str, magic: bytes) -> None:
    scene, [reply] = machine.render(name, 1)
    assert (scene["reply"], scene["format"], scene["extension"]) == ("scene", name, extension)
    assert (scene["engine"], scene["device"], scene["notes"]) == ("CYCLES", "CPU", [])
    assert (reply["reply"], reply["frame"], reply["files"]) == ("frame", 1, [f"0001{extension}"])
    assert reply["seconds"] > 0
    content = machine.image(reply).read_bytes()
    assert content.startswith(magic)
    assert (b"ViewLayer.Combined" in content) == (name == "OPEN_EXR_MULTILAYER")


def test_a_movie_becomes_stills(machine: Machine) -> None:
    scene, [reply] = machine.render("FFMPEG", 3)
    assert (scene["format"], scene["extension"], reply["files"]) == ("PNG", ".png", ["0003.png"])
    [note] = scene["notes"]
    assert "movie" in note
    assert Image.open(machine.image(reply)).size == (32, 32)


def test_frames_are_named_as_blender_names_them_and_differ(machine: Machine) -> None:
    _, replies = machine.render("PNG", -3, 0, 10, 12345)
    assert [reply["files"] for reply in replies] == [["-0003.png"], ["0000.png"], ["0010.png"], ["12345.png"]]
    pictures = [Image.open(machine.image(reply)).tobytes() for reply in replies]
    assert len(set(pictures[:3])) == 3  # the cube turns until frame 10, from before 0 on


def test_a_frame_can_be_rendered_again(machine: Machine) -> None:
    _, [first, second] = machine.render("PNG", 1, 1)
    assert first["files"] == second["files"] == ["0001.png"]


@pytest.mark.parametrize(("name", "samples"), [("PNG", True), ("workbench", False)])
def test_the_first_sample_is_told_once_where_samples_are_counted(machine: Machine, name: str, samples: bool) -> None:
    heard: list[str] = []
    with machine.open(name, on_first_sample=lambda: heard.append("sample")) as blender:
        blender.reply()
        for frame in (1, 2):
            blender.render(frame)
            assert blender.reply()["reply"] == "frame"
            heard.append("frame")
    assert heard == ["sample", "frame", "frame"] if samples else ["frame", "frame"]


def test_every_view_comes_back(machine: Machine) -> None:
    _, [reply] = machine.render("stereo", 2)
    assert reply["files"] == ["0002_L.png", "0002_R.png"]


def test_files_of_the_compositor_come_back_with_the_frame(machine: Machine, version: str) -> None:
    scene, replies = machine.render("file_outputs", 1, 2)
    assert scene["notes"] == []
    names = {
        "4.2.23": ["Layers_all000{}.exr", "M_sk_out___escape_mask000{}.png"],
        "5.0.1": ["Layers_all000{}.exr", "M_sk_out___escape000{}_mask.png"],
    }[version]
    for reply in replies:
        expected = ["000{}.png", *names]
        assert reply["files"] == [name.format(reply["frame"]) for name in expected]
        assert all(machine.image(reply, name).stat().st_size for name in reply["files"])


def test_simulations_that_are_not_baked_advance(machine: Machine) -> None:
    _, replies = machine.render("simulation", 1, 2, 3)
    assert len({Image.open(machine.image(reply)).tobytes() for reply in replies}) == 3


@pytest.mark.parametrize("name", ["compositing_only", "sequence_only"])
def test_what_needs_no_camera_is_rendered_without_one(machine: Machine, name: str) -> None:
    scene, [reply] = machine.render(name, 1)
    assert (scene["reply"], reply["reply"]) == ("scene", "frame")


def test_files_that_are_not_there_are_named(machine: Machine) -> None:
    folder = machine.root / "project" / "tex"
    folder.mkdir()
    for name in ("here", "walk_0007", "tile.1001", "tile.1002", "few.1001"):
        Image.new("RGB", (4, 4)).save(folder / f"{name}.png")
    scene, [reply] = machine.render("files_elsewhere", 1)
    assert scene["notes"] == [
        "Not found on the machine, so pink or missing in the frames: away (C:/tex/away.png), "
        "few tiles (//tex/few.<UDIM>.png), gone (//tex/gone.png), library.blend (//lib/library.blend), "
        "no sequence (//tex/run_0001.png) and 2 more."
    ]
    assert reply["reply"] == "frame"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("PNG", True), ("camera_of_a_marker", True), ("compositing_only", True), ("sequence_only", True),
     ("no_camera", False)],
)  # fmt: skip
def test_what_has_no_picture_is_known_without_blender(scenes: Path, name: str, expected: bool) -> None:
    assert read_scene(scenes / f"{name}.blend").has_picture == expected


def test_a_scene_without_camera_is_refused(machine: Machine) -> None:
    refusal, _ = machine.render("no_camera")
    assert (refusal["reply"], refusal["kind"]) == ("error", "scene")
    assert "no camera" in refusal["message"]
    assert refusal["hint"]


def test_a_scene_for_an_engine_that_is_not_there_is_refused(machine: Machine) -> None:
    refusal, _ = machine.render("foreign_engine")
    assert (refusal["reply"], refusal["kind"]) == ("error", "scene")
    assert "FOREIGN_RENDER" in refusal["message"]


def test_an_error_of_the_render_is_one_of_the_frame(machine: Machine) -> None:
    _, replies = machine.render("loses_camera", 1, 2, 3, autoexec=True)
    assert [(reply["reply"], reply["frame"]) for reply in replies] == [
        ("frame", 1),
        ("frame_error", 2),
        ("frame_error", 3),
    ]
    assert "no camera" in replies[1]["message"]


def test_a_rented_gpu_that_blender_does_not_get_is_refused(machine: Machine) -> None:
    for name in ("wants_gpu", "PNG"):
        refusal, _ = machine.render(name, gpu=True)
        assert (refusal["reply"], refusal["kind"]) == ("error", "gpu")
        assert "OPTIX" in refusal["message"]


def test_every_gpu_is_used_and_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = machine.root / "disk"
    furnish(disk, gpu="T4", switches=False, driver="open")
    for name, value in environment(disk, gpu="T4").items():
        monkeypatch.setenv(name, value)
    scene, [reply] = machine.render("wants_gpu", 1, gpu=True)
    assert scene["device"] == "OPTIX"
    assert ["T4" in name for name in scene["devices"]] == [True]
    assert scene["notes"] == []
    assert reply["reply"] == "frame"


def test_a_scene_for_the_gpu_is_rendered_on_a_cpu_machine_and_says_so(machine: Machine) -> None:
    scene, [reply] = machine.render("wants_gpu", 1)
    assert scene["device"] == "CPU"
    assert "GPU" in scene["notes"][0]
    assert reply["reply"] == "frame"


@pytest.mark.parametrize("autoexec", [True, False])
def test_scripts_of_the_file_run_only_if_they_may(machine: Machine, autoexec: bool) -> None:
    machine.render("script", autoexec=autoexec)
    assert ("SCRIPT RAN" in machine.log.read_text()) == autoexec


@pytest.mark.parametrize("content", [None, b"", b"BLENDER-v402 and then nothing"])
def test_a_file_that_cannot_be_read_is_never_replaced_by_another(machine: Machine, content: bytes | None) -> None:
    if content is not None:
        (machine.root / "project" / "damaged.blend").write_bytes(content)
    try:
        refusal, _ = machine.render("damaged")
    except BlenderDied:
        return  # Blender itself gave up
    assert (refusal["reply"], refusal["kind"]) == ("error", "scene")


def test_another_file_than_the_asked_for_is_refused(machine: Machine) -> None:
    """Blender may go on with its default scene when it cannot read a file."""
    with machine.open("PNG") as blender:
        blender.reply()
    plan = json.loads((machine.root / "plan.json").read_text())
    (machine.root / "other.json").write_text(json.dumps({**plan, "blend": "other.blend"}))
    with BlenderProcess(
        executable=machine.blender,
        blend=machine.root / "project" / "PNG.blend",
        autoexec=False,
        plan=machine.root / "other.json",
        work=machine.work,
        log=machine.log,
    ) as blender:
        refusal = blender.reply()
    assert (refusal["reply"], refusal["kind"]) == ("error", "scene")
    assert "other.blend" in refusal["message"]
