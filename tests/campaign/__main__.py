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

from tests.campaign.outcome import summary, told
from tests.campaign.seeds import run_job


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


if __name__ == "__main__":
    main()
