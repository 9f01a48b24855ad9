# SPDX-License-Identifier: GPL-3.0-or-later
"""Who goes on with a job whose client went before it was known what is sent finds that out first."""

from __future__ import annotations

import io
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.errors import MissingFilesError
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.record import JobRecord
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.job.traced import is_traced, load_traced
from cloudrender_addon.backend.settings import Settings
from cloudrender_addon.cli import jobs
from cloudrender_addon.cli.display import LineDisplay
from tests.unit.blenders import answering, result_of

MISSING = [{"owner": "image Wood", "path": "/w.png", "library": ""}]


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[JobRecord]:
    """The records of jobs that would have been driven."""
    records: list[JobRecord] = []

    def drive(folder: JobFolder, record: JobRecord, display: object) -> int:
        records.append(record)
        return 0

    monkeypatch.setattr(jobs, "_drive", drive)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return records


def left(tmp_path: Path, *, accept: tuple[str, ...] = (), **result: Any) -> JobFolder:
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.blend").write_bytes(b"blend")
    blender = answering(tmp_path / "blender", result_of((project / "a.blend", "a.blend"), **result))
    spec = JobSpec(
        job_id="j", project=project, blend="a.blend", frames=(1,), output=tmp_path / "out", blender="4.2",
        autoexec=False, settings=Settings(home=tmp_path / "home", local_blender=blender.program), accept_missing=accept,
    )  # fmt: skip
    return JobStore(tmp_path / "home").create(JobRecord(spec=spec, started=time.time()))


def go_on(folder: JobFolder, *, keeper: bool = False) -> str:
    stream = io.StringIO()
    jobs.drive_folder(folder, LineDisplay(stream), keeper=keeper)
    return stream.getvalue()


@pytest.mark.parametrize("keeper", [False, True])
def test_it_is_traced_once(tmp_path: Path, driven: list[JobRecord], keeper: bool) -> None:
    folder = left(tmp_path, warnings=["W."] if keeper else [])
    assert "What is sent: the file alone" in go_on(folder, keeper=keeper)
    assert is_traced(folder) and len(load_traced(folder).bundle.files) == 1
    assert "What is sent" not in go_on(folder, keeper=keeper) and len(driven) == 2


@pytest.mark.parametrize("keeper", [False, True])
def test_missing_files_are_not_passed_over(tmp_path: Path, driven: list[JobRecord], keeper: bool) -> None:
    folder = left(tmp_path, missing=MISSING)
    with pytest.raises(MissingFilesError):
        go_on(folder, keeper=keeper)
    assert not driven and not is_traced(folder) and folder.load().open


def test_missing_files_that_were_accepted_are(tmp_path: Path, driven: list[JobRecord]) -> None:
    folder = left(tmp_path, missing=MISSING, accept=("/w.png",))
    go_on(folder, keeper=True)
    assert driven and is_traced(folder)


def test_a_job_that_sends_the_folder_is_not_traced(tmp_path: Path, driven: list[JobRecord]) -> None:
    folder = left(tmp_path)
    record = folder.load()
    folder.save(replace(record, spec=replace(record.spec, settings=replace(record.spec.settings, send="folder"))))
    assert go_on(folder) == "" and not is_traced(folder) and driven


def test_what_changed_meanwhile_is_said(tmp_path: Path, driven: list[JobRecord]) -> None:
    folder = left(tmp_path)
    go_on(folder)
    blend = folder.load().spec.project / "a.blend"
    blend.write_bytes(b"another")
    said = go_on(folder)
    assert "Note: Changed since the job was made" in said and "those that are here: a.blend." in said
    blend.unlink()  # its machine may have all of it
    assert go_on(folder) == "" and len(driven) == 3
