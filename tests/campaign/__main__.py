# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.campaign [N [SEED]]` (`make campaign N=500 SEED=1`): the jobs of the seeds SEED, SEED+1, …

Jobs run side by side, each in an account of its own. A job that breaks a promise is told with its story and the seed
that runs it again; the last line is the summary. The exit code is 1 if any promise was broken.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable

from tests.campaign.stateful import Outcome, run_job


def main() -> None:
    """Run the campaign and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("jobs", type=int, nargs="?", default=100, help="how many jobs")
    parser.add_argument("seed", type=int, nargs="?", default=1, help="the seed of the first one")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1), help="jobs side by side")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell every story")
    options = parser.parse_args()
    began = time.monotonic()
    outcomes = []
    # Each process has one account at a time: see Cloud.
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(min(options.workers, options.jobs), mp_context=spawn) as pool:
        running = [pool.submit(run_job, options.seed + number) for number in range(options.jobs)]
        for done in concurrent.futures.as_completed(running):
            outcome = done.result()
            outcomes.append(outcome)
            if outcome.violation or options.verbose:
                print(told(outcome), flush=True)
            elif len(outcomes) % 50 == 0:
                print(f"{len(outcomes)} jobs, {time.monotonic() - began:.0f} s", flush=True)
    print(summary(outcomes, seconds=time.monotonic() - began))
    sys.exit(any(outcome.violation for outcome in outcomes))


def told(outcome: Outcome) -> str:
    """Return the story of a job, the promise it broke, and how to run it again."""
    lines = [f"\nJob of seed {outcome.seed}", *outcome.story]
    if outcome.violation:
        lines += [f"BROKEN: {outcome.violation}", f"Again: make campaign N=1 SEED={outcome.seed}"]
    return "\n".join(lines)


def summary(outcomes: Iterable[Outcome], *, seconds: float) -> str:
    """Return the one line that says it all."""
    every = list(outcomes)
    faults: Counter[str] = sum((outcome.faults for outcome in every), Counter())
    kinds = ", ".join(f"{kind} {count}" for kind, count in faults.most_common())
    asked, here = sum(o.asked for o in every), sum(o.here for o in every)
    return (
        f"{len(every)} jobs, {sum(bool(o.violation) for o in every)} with a broken promise; "
        f"{faults.total()} faults ({kinds}); "
        f"{asked} frames asked for, {here} here, {sum(o.lost for o in every)} lost; "
        f"{sum(o.machines for o in every)} machines rented, {sum(o.left for o in every)} left; {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
