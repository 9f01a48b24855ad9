# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a job stands."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """The states of a job. A terminal one means *cleaned up*: nothing of the job is left running."""

    PENDING = "pending"
    PACKING = "packing"
    PROVISIONING = "provisioning"
    BOOTING = "booting"
    UPLOADING = "uploading"
    RENDERING = "rendering"
    RECOVERING = "recovering"
    """The machine or the link to it was lost; the missing frames go on elsewhere."""
    CANCELLING = "cancelling"
    CLEANING_UP = "cleaning up"
    KEPT = "kept"
    """The job has ended, well or not; its machine stays up for a while, as was asked for, and then ends itself."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})
