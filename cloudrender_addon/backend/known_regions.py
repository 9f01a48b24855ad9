# SPDX-License-Identifier: GPL-3.0-or-later
"""The regions in which something of this computer's may be: those that listing and cleaning up look into."""

from __future__ import annotations

import contextlib

from .aws.session import Account
from .baking.record import BuildStore
from .errors import RecordError
from .job.store import JobStore
from .settings import Settings


def known_regions(account: Account, settings: Settings) -> tuple[str, ...]:
    """Return the regions of the settings and those in which this computer ever rented or made an image, each once."""
    regions = [account.region, *settings.regions, *BuildStore(settings.home).regions()]
    for folder in JobStore(settings.home).folders():
        with contextlib.suppress(RecordError):  # damaged: what it rented is found by tag
            record = folder.load()
            regions += [*([record.machine.region] if record.machine else []), *record.spec.settings.regions]
    for build in BuildStore(settings.home).folders():
        with contextlib.suppress(RecordError):
            regions += build.load().settings.regions
    return tuple(dict.fromkeys(regions))
