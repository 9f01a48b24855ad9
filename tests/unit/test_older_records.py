# SPDX-License-Identifier: GPL-3.0-or-later
"""Records written before a field existed are read with what was true then."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from cloudrender_addon.backend.farms.base import MachineRequest
from cloudrender_addon.backend.job.record import JobRecord, from_json, to_json
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.settings import Settings
from tests.unit.fakes import FakeFarm


def test_a_machine_of_an_older_record_was_bought_as_spot(tmp_path: Path) -> None:
    request = MachineRequest(
        job_id="j", token="t", instance_types=("g4dn.xlarge",), disk_bytes=1, lifetime_seconds=7200, lease_seconds=60
    )
    spec = JobSpec(
        job_id="j", project=tmp_path, blend="a.blend", frames=(1,), output=tmp_path, blender="4.2", autoexec=False,
        settings=Settings(home=tmp_path, send="folder"),
    )  # fmt: skip
    record = JobRecord(spec=spec, started=1.0, machine=replace(FakeFarm([]).plan(request), instance_id="i-1"))
    data = json.loads(json.dumps(to_json(record)))
    del data["machine"]["request"]["on_demand"], data["machine"]["request"]["blender"]
    for name in ("purchase", "max_cost", "security_group"):
        del data["spec"]["settings"][name]
    read = from_json(data)
    assert read == record
    assert read.machine is not None and not read.machine.request.on_demand


def test_a_job_of_an_older_record_sends_the_folder(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, send="folder")
    spec = JobSpec(
        job_id="j", project=tmp_path, blend="a.blend", frames=(1,), output=tmp_path, blender="4.2", autoexec=False,
        settings=settings,
    )  # fmt: skip
    data = json.loads(json.dumps(to_json(JobRecord(spec=spec, started=1.0))))
    del data["spec"]["accept_missing"], data["spec"]["settings"]["send"], data["spec"]["settings"]["local_blender"]
    assert from_json(data).spec == spec


def test_what_is_sent_is_in_the_record(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, local_blender=tmp_path / "blender")
    spec = JobSpec(
        job_id="j", project=tmp_path, blend="a.blend", frames=(1,), output=tmp_path, blender="4.2", autoexec=False,
        settings=settings, accept_missing=("/a.png",),
    )  # fmt: skip
    assert from_json(json.loads(json.dumps(to_json(JobRecord(spec=spec, started=1.0))))).spec == spec
