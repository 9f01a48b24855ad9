# SPDX-License-Identifier: GPL-3.0-or-later
"""A kept machine that went to another job, seen from the job that kept it: whose it is, and how its record is closed.

The record of the job that takes it names it first (`taking_over.py`); from that moment on the machine is that job's,
whatever becomes of either client. All that is left to do then is to close the record of the job that kept it, which
anybody may do who holds its lock, at any time.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from ..errors import RecordError
from .cost import machine_cost
from .folder import JobFolder
from .record import JobRecord
from .status import Status
from .store import JobStore


def as_it_stands(folder: JobFolder, record: JobRecord) -> JobRecord:
    """Return the record of a job as it is to be read: closed, as the job had ended, if its machine went to another.

    The job paid for the machine until then. Writes nothing.
    """
    machine = record.machine
    if record.status is not Status.KEPT or machine is None:
        return record
    token = machine.request.token
    for other in JobStore.around(folder).folders():
        with contextlib.suppress(RecordError):  # a damaged one has taken nothing that could be known
            kept_by, at = other.load().taken.get(token, ("", 0.0))
            if kept_by == folder.job_id:
                return replace(
                    record,
                    status=Status.SUCCEEDED,
                    machine=None,
                    spent_usd=record.spent_usd + machine_cost(machine, until=at),
                    ended=at,
                    given={**record.given, token: other.job_id},
                )
    return record


def load_settled(folder: JobFolder) -> JobRecord:
    """Read the record, and close it if its machine went to another job. For the holder of the folder's lock.

    Raises `RecordError`.
    """
    written = folder.load()
    record = as_it_stands(folder, written)
    if record is not written:
        folder.save(record)
        folder.forget_keys()  # that job has its own of them
        folder.answer()
    return record
