# SPDX-License-Identifier: GPL-3.0-or-later
"""A short campaign of fixed seeds. `make campaign` is the long one."""

from __future__ import annotations

import pytest

from tests.campaign.outcome import told
from tests.campaign.seeds import run_job

SEEDS = range(1001, 1009)


@pytest.mark.parametrize("number", SEEDS)
def test_a_job_keeps_its_promises_whatever_happens(number: int) -> None:
    outcome = run_job(number)
    assert not outcome.violation, told(outcome)
    assert outcome.lost == outcome.left == 0
