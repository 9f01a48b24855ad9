"""The snapshot of a .blend is sent in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudrender_addon.backend.errors import ProjectError
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.record import from_json, to_json
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.jobs import scan_job
from cloudrender_addon.backend.settings import Settings


def make(tmp_path: Path) -> JobSpec:
    project, snapshot = tmp_path / "project", tmp_path / "snapshot.blend"
    (project / "scenes").mkdir(parents=True)
    (project / "scenes" / "a.blend").write_bytes(b"as saved last week")
    (project / "tex.png").write_bytes(b"x")
    snapshot.write_bytes(b"as it is now, and longer")
    return JobSpec(
        job_id="j", project=project, blend="scenes/a.blend", frames=(1,), output=project / "out", blender="4.2",
        autoexec=False, settings=Settings(), snapshot=snapshot,
    )  # fmt: skip


def test_the_snapshot_is_sent_under_the_name_of_the_blend(tmp_path: Path) -> None:
    spec = make(tmp_path)
    files = {file.name: file for file in scan_job(spec).files}
    assert files.keys() == {"scenes/a.blend", "tex.png"}
    assert files["scenes/a.blend"].source == spec.snapshot
    assert files["scenes/a.blend"].size == len(b"as it is now, and longer")


def test_a_snapshot_that_is_gone_is_said(tmp_path: Path) -> None:
    spec = make(tmp_path)
    assert spec.snapshot is not None
    spec.snapshot.unlink()
    with pytest.raises(ProjectError, match="The snapshot of scenes/a"):
        scan_job(spec)


def test_the_record_keeps_where_the_snapshot_is(tmp_path: Path) -> None:
    from cloudrender_addon.backend.job.record import JobRecord

    record = JobRecord(spec=make(tmp_path), started=1.0)
    assert from_json(to_json(record)) == record
    older = to_json(record)
    del older["spec"]["snapshot"]
    assert from_json(older).spec.snapshot is None
    assert JobFolder(tmp_path / "j").job_id == "j"
