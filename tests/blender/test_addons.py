# SPDX-License-Identifier: GPL-3.0-or-later
"""Add-ons of the user's that a scene needs, on the machine: with them a frame is the same as at home."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cloudrender_addon.backend.assets.addons import AddOn, from_json
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.jobs import scan_job
from cloudrender_addon.backend.settings import Settings
from cloudrender_addon.instance.blender_process import BlenderProcess
from tests.blender_ui.host import run_in_blender
from tests.blender_ui.sample_addons import make_all, module_of

pytestmark = pytest.mark.blender

_LAUNCHER = Path(__file__).parents[1] / "localcloud" / "blender_launcher.py"
_FRAME = 3
_GROUP_NODES = ("bricks", "broken", "oldstyle", "oldfolder")


@dataclass(frozen=True)
class Home:
    """The user's computer: a folder for each file, and the add-ons that go along with it."""

    folder: Path
    addons: dict[str, tuple[AddOn, ...]]

    def spec(self, name: str) -> JobSpec:
        project = self.folder / name
        return JobSpec(
            job_id="j", project=project, blend=f"{name}.blend", frames=(_FRAME,), output=project / "snapshot",
            blender="", autoexec=True, settings=Settings(), addons=self.addons[name],
        )  # fmt: skip

    def picture(self, name: str) -> bytes:
        return Image.open(self.folder / name / "here.png").tobytes()


@pytest.fixture(scope="session")
def home(version: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp(f"addons-{version}")
    make_all(folder)
    made: dict[str, list[dict[str, Any]]] = run_in_blender(version, folder, "addons_at_work.py")
    return Home(
        folder,
        {name: tuple(from_json(addon) for addon in addons) for name, addons in made.items()},
    )


@dataclass(frozen=True)
class Machine:
    """A rented machine's folder and a Blender there, which knows nothing of the user's."""

    root: Path
    blender: Path

    def render(self, spec: JobSpec) -> tuple[dict[str, Any], bytes]:
        """Bring what is sent, as a link does; return the scene's reply and the frame's pixels."""
        for file in scan_job(spec).files:
            target = self.root / "project" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.source, target)
        modules = [addon.module for addon in spec.addons]
        plan = {"blend": spec.blend, "frames": [], "blender": "", "mirror": "", "gpu": False, "autoexec": True}
        (self.root / "plan.json").write_text(json.dumps({**plan, "move_seconds": None, "addons": modules}))
        work = self.root / "work"
        work.mkdir()
        log = self.root / "blender.log"
        with BlenderProcess(
            executable=self.blender, blend=self.root / "project" / spec.blend, autoexec=True,
            plan=self.root / "plan.json", work=work, log=log, addons=bool(modules),
        ) as process:  # fmt: skip
            scene = process.reply()
            assert scene["reply"] == "scene", scene
            process.render(_FRAME)
            reply = process.reply()
            assert reply["reply"] == "frame", reply
        return scene, Image.open(work / str(_FRAME) / reply["files"][0]).tobytes()


@pytest.fixture
def machine(tmp_path: Path, version: str, blender_python: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / "project").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    blender = tmp_path / "blender"
    blender.write_text(f'#!/bin/sh\nexec "{blender_python}" -I "{_LAUNCHER}" {version} "$0" "$@"\n')
    blender.chmod(0o755)
    return Machine(tmp_path, blender)


def renders_without_its_class(name: str, version: str) -> bool:
    """Blender 5.0 renders the node group inside a node whose class it does not know, 4.2 renders it black."""
    return name in _GROUP_NODES and version.startswith("5.")


@pytest.mark.parametrize("name", ["bricks", "lifter", "wobbly", "tilter", "oldstyle", "oldfolder"])
def test_the_frame_is_the_same_with_the_addon_and_another_without(
    home: Home, machine: Machine, tmp_path: Path, version: str, name: str
) -> None:
    spec = home.spec(name)
    assert [addon.module for addon in spec.addons] == [name if name.startswith("old") else module_of(name)]
    scene, there = machine.render(spec)
    assert scene["notes"] == [], (tmp_path / "blender.log").read_text()
    assert there == home.picture(name)
    shutil.rmtree(tmp_path / "work")
    shutil.rmtree(tmp_path / "project")
    without = machine.render(replace(spec, addons=()))[1]
    assert (without == there) == renders_without_its_class(name, version)
    assert not (tmp_path / "user" / ".config" / "blender").exists(), "nothing is put into the image's own folders"


def test_an_engine_of_an_addon_renders(home: Home, machine: Machine) -> None:
    scene, there = machine.render(home.spec("flat"))
    assert scene["engine"] == "FLAT"
    assert there == home.picture("flat")


def test_an_addon_that_does_not_start_is_told_and_the_render_goes_on(
    home: Home, machine: Machine, tmp_path: Path, version: str
) -> None:
    scene, there = machine.render(home.spec("broken"))
    assert scene["notes"] == [
        "The add-on broken could not be started on the machine, so frames may look different: "
        "RuntimeError: no license for this computer."
    ]
    assert (there == home.picture("broken")) == renders_without_its_class("broken", version)
    assert "Traceback" in (tmp_path / "blender.log").read_text()


def test_an_addon_that_is_missing_and_one_that_only_exits_stop_nothing(home: Home, machine: Machine) -> None:
    spec = home.spec("bricks")
    exits = machine.root / "exits" / "__init__.py"
    exits.parent.mkdir()
    exits.write_text("raise SystemExit(7)\n")
    more = (
        AddOn(module="bl_ext.elsewhere.exits", name="Exits", version="", content=exits.parent),
        AddOn(module="bl_ext.elsewhere.nowhere", name="Nowhere", version="", content=None),
    )
    scene, there = machine.render(replace(spec, addons=(*more, *spec.addons)))
    first, second = scene["notes"]
    assert first.startswith("The add-on exits could not be started") and first.endswith("SystemExit: 7.")
    assert second.startswith("The add-on nowhere could not be started")
    assert there == home.picture("bricks")
