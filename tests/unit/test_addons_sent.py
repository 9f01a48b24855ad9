# SPDX-License-Identifier: GPL-3.0-or-later
"""Add-ons travel in the bundle, under a name of their own, and the record keeps which they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloudrender_addon.backend.assets.addons import AddOn
from cloudrender_addon.backend.errors import ProjectError
from cloudrender_addon.backend.job.record import JobRecord, from_json, to_json
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.jobs import scan_job
from cloudrender_addon.backend.settings import Settings
from cloudrender_addon.instance.root import read_plan


@pytest.fixture
def spec(tmp_path: Path) -> JobSpec:
    project, copies = tmp_path / "project", tmp_path / "snapshot"
    project.mkdir()
    (project / "a.blend").write_bytes(b"x")
    (copies / "bricks" / "lib").mkdir(parents=True)
    (copies / "bricks" / "__init__.py").write_bytes(b"12")
    (copies / "bricks" / "lib" / "wall.py").write_bytes(b"345")
    (copies / "old.py").write_bytes(b"6789")
    return JobSpec(
        job_id="j", project=project, blend="a.blend", frames=(1,), output=project / "out", blender="4.2",
        autoexec=False, settings=Settings(),
        addons=(
            AddOn(module="bl_ext.user_default.bricks", name="Bricks", version="1.0.0", content=copies / "bricks",
                  nodes=("Brick", "Wall")),
            AddOn(module="old", name="Old", version="", content=copies / "old.py"),
            AddOn(module="rigify", name="Rigify", version="0.6", content=None),
        ),
    )  # fmt: skip


def test_they_are_sent_beside_the_project(spec: JobSpec) -> None:
    bundle = scan_job(spec)
    assert {file.name: file.size for file in bundle.files} == {
        "_addons/bl_ext/user_default/bricks/__init__.py": 2,
        "_addons/bl_ext/user_default/bricks/lib/wall.py": 3,
        "_addons/old.py": 4,
        "a.blend": 1,
    }
    assert [file.name for file in bundle.files] == sorted(file.name for file in bundle.files)
    assert all(file.source.read_bytes() for file in bundle.files)


def test_a_file_of_the_project_does_not_take_their_place(spec: JobSpec) -> None:
    (spec.project / "_addons").mkdir()
    (spec.project / "_addons" / "old.py").write_bytes(b"something else")
    [old] = [file for file in scan_job(spec).files if file.name == "_addons/old.py"]
    assert old.source == spec.addons[1].content


@pytest.mark.parametrize("gone", ["bricks", "old.py"])
def test_a_copy_that_is_gone_is_said(spec: JobSpec, gone: str) -> None:
    place = spec.project.parent / "snapshot"
    (place / gone).rename(place / "elsewhere")
    with pytest.raises(ProjectError, match=r"The copy of the add-on (Bricks|Old) is gone"):
        scan_job(spec)


def test_the_record_keeps_them_and_an_older_one_has_none(spec: JobSpec) -> None:
    record = JobRecord(spec=spec, started=1.0)
    data = json.loads(json.dumps(to_json(record)))
    assert from_json(json.loads(json.dumps(data))) == record
    del data["spec"]["addons"]
    assert from_json(data).spec.addons == ()


def test_a_plan_that_names_none_is_still_read(tmp_path: Path) -> None:
    plan = {"blend": "a.blend", "frames": [1], "blender": "4.2", "mirror": "", "gpu": False, "autoexec": False}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**plan, "move_seconds": None}))
    assert read_plan(path).addons == ()
    path.write_text(json.dumps({**plan, "move_seconds": None, "addons": ["a", "b"]}))
    assert read_plan(path).addons == ("a", "b")
