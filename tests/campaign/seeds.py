# SPDX-License-Identifier: GPL-3.0-or-later
"""One seed, one job: hypothesis' state machine run once."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.campaign.outcome import Outcome
from tests.campaign.stateful import MOST_STEPS, Campaign


def run_job(number: int) -> Outcome:
    """Run the job of this seed."""
    outcomes: list[Outcome] = []

    class Once(Campaign):
        def teardown(self) -> None:
            super().teardown()
            if self.outcome is not None:
                outcomes.append(self.outcome)
                Once.finished = True

    plain = settings(
        max_examples=9,  # one of them is a job; from ten on hypothesis would prefer short sequences
        stateful_step_count=MOST_STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(Once), settings=plain)
    (outcome,) = outcomes
    return Outcome(**{**vars(outcome), "seed": number})
