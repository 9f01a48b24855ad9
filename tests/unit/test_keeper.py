# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of a job's folder that the process in the background has with it: all it takes to send the job again."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.traced import keep_traced, load_traced
from cloudrender_addon.cli.keeper import copy_job, put_back
from tests.unit.test_traced import folder, put, root, spec_of, traced_by

__all__ = ["folder", "root"]


@pytest.mark.parametrize("links", [True, False])
def test_a_job_is_put_back_whole(
    tmp_path: Path, root: Path, folder: JobFolder, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    rewritten = put(tmp_path / "home" / "staging" / "0123.blend", b"rewritten")
    snapshot = put(folder.path / "snapshot" / "a.blend", b"snapshot")
    spec = spec_of(tmp_path, snapshot=snapshot)
    keep_traced(folder, traced_by(tmp_path, spec, (rewritten, "lib/b.blend")))
    before = load_traced(folder)
    put(folder.path / "lock")
    put(folder.path / "record.json.part")
    if not links:

        def no_link(*_: object) -> None:
            raise OSError(errno.EXDEV, "another disk")

        monkeypatch.setattr(os, "link", no_link)
    copy = tmp_path / "copy"
    copy_job(folder.path, copy)
    assert not (copy / "lock").exists() and not (copy / "record.json.part").exists()
    assert (copy / "snapshot" / "a.blend").samefile(snapshot) == links
    assert not (copy / "record.json").samefile(folder.path / "record.json")
    # Blender deletes all of it, and the copies that jobs share.
    rename = folder.path.with_name("gone")
    folder.path.rename(rename)
    rewritten.unlink()
    copy_job(copy, folder.path)
    after = load_traced(folder)
    assert [file.name for file in after.bundle.files] == ["a.blend", "lib/b.blend"] and after.changed == ()
    assert [file.source.read_bytes() for file in after.bundle.files] == [b"snapshot", b"rewritten"]
    assert after.missing == before.missing and folder.load().spec.job_id == folder.job_id


def test_what_blender_deletes_is_put_back_and_what_has_ended_is_not(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    build = put(home / "builds" / "image-1" / "record.json", b"{}").parent
    copy_job(build, copy)
    shutil.rmtree(build)
    put_back(copy, build)
    assert not build.exists(), "it has ended"
    shutil.rmtree(home)
    put_back(copy, build)
    assert (build / "record.json").read_bytes() == b"{}"
