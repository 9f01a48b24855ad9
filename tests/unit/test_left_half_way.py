# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next start says of a job whose client died."""

from __future__ import annotations

import io
from dataclasses import replace

from cloudrender_addon.backend.farms.base import MachineRequest
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.cli.display import LineDisplay
from cloudrender_addon.cli.jobs import tidy_open_jobs
from tests.unit.fakes import FakeFarm

REQUEST = MachineRequest(
    job_id="j", token="t", instance_types=("g4dn.xlarge",), disk_bytes=1, lifetime_seconds=7200, lease_seconds=60
)


def said(folder: JobFolder) -> str:
    stream = io.StringIO()
    tidy_open_jobs(JobStore(folder.path.parent.parent), LineDisplay(stream))
    return stream.getvalue()


def test_a_machine_that_goes_on_is_told_with_its_price(folder: JobFolder) -> None:
    machine = replace(FakeFarm([]).plan(REQUEST), instance_id="i-1", launched_at=1000.0)
    folder.save(replace(folder.load(), status=Status.RENDERING, machine=machine))
    assert "left half-way, and its machine costs $0.360 an hour: `cloudrender attach 2026" in said(folder)


def test_without_a_machine_there_is_no_price(folder: JobFolder) -> None:
    assert "left half-way: `cloudrender attach 2026" in said(folder)
