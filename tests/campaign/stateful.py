# SPDX-License-Identifier: GPL-3.0-or-later
"""What may befall a job, as the rules of a hypothesis state machine: one machine is one job from its start to its end.

Which rules apply follows from what was done, never from how far the job happens to be: so a seed always gives the same
sequence of faults, whatever the computer is busy with.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.campaign import verdict
from tests.campaign.choices import clocks, deaths, orders
from tests.campaign.cloud_rules import CloudRules
from tests.campaign.fast_blender import Misbehaviour
from tests.campaign.one_job import Death, Order, Violation, one_job
from tests.campaign.outcome import Outcome
from tests.localcloud import small_disk

MOST_STEPS = 6
_GONE_SECONDS = 75.0
_KEPT_SECONDS = 25.0


class Campaign(CloudRules):
    """One job. What is found is kept in `violation`: nothing is raised, as hypothesis would run the job once more."""

    finished = False

    # -- the start -----------------------------------------------------------------------------------------

    @initialize(
        begin=st.integers(0, 99),
        order=orders(),
        death=st.none() | st.none() | deaths,
        clock=clocks,
        steps=st.integers(0, MOST_STEPS),
        ending=st.sampled_from(["attach", "attach", "never again", "cancel", "another render"]),
        insist=st.sampled_from([True, True, True, False]),
    )
    def start(
        self,
        *,
        begin: int,
        order: Order,
        death: Death | None,
        clock: float | None,
        steps: int,
        ending: str,
        insist: bool,
    ) -> None:
        """Render; the client may be killed at some moment."""
        # Hypothesis tries the plainest sequence first, and some more than it is asked for: not worth a job each.
        if not begin or self.finished:
            return
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="campaign-")))
        self._steps, self._ending, self._insist = steps, ending, insist
        self.small_disk = order.small_disk and small_disk.available()

        def act() -> None:
            self._job = self._stack.enter_context(one_job(order, folder))
            self.job.tell(f"{order}")
            self._count_day(order)
            if order.beforehand:
                self._render_beforehand()
            self._drive(*self._render_words(), death=death, clock=clock)

        self._try(act)

    def _render_beforehand(self) -> None:
        """Leave a machine that is kept, and that the job takes over if it suits."""
        job = self.job
        job.faults["a machine that is kept"] += 1
        words = ("--json", "-f", "8", "-o", "beforehand", "--keep", str(_KEPT_SECONDS / 60))
        if (before := job.run(*words)).process.returncode != 0 and not job.excuses:
            raise Violation(f"the render beforehand failed: {before.said[-2000:]}")

    def _count_day(self, order: Order) -> None:
        job = self.job
        if order.visible_after:
            job.faults["eventual consistency"] += 1
        if order.ssh_delay:
            job.faults["refused connections"] += 1
        for how in order.misbehaviours.values():
            job.faults[f"frame: {how}"] += 1
        if any(how is not Misbehaviour.CRASH_ONCE for how in order.misbehaviours.values()):
            job.excuses.add("frames")
        if order.max_cost:
            job.excuses.add("cost")

    def _render_words(self) -> list[str]:
        frames = self.job.order.frames
        return ["--json", "-a", "-s", str(frames[0]), "-e", str(frames[-1])]

    # -- what the user does --------------------------------------------------------------------------------

    @precondition(lambda self: self._steps and not self.driving)
    @rule(death=st.none() | deaths, clock=clocks)
    def attach(self, death: Death | None, clock: float | None) -> None:
        """The next start goes on with the job."""

        def act() -> None:
            if self.job.job is None:
                self._drive(*self._render_words(), death=death, clock=clock)
            else:
                self._drive("attach", self.job.job, "--json", death=death, clock=clock)

        self._try(act)

    @precondition(lambda self: self._steps and not self.driving)
    @rule(words=st.sampled_from(["jobs", "fetch"]))
    def look(self, words: str) -> None:
        """Somebody only looks."""

        def act() -> None:
            if self.job.job:
                self.job.run(words, *([self.job.job] if words == "fetch" else []))

        self._try(act)

    @precondition(lambda self: self._steps and not self.driving)
    @rule()
    def another_render(self) -> None:
        """Another job is rendered from the same computer."""
        self._try(self._another_render)

    @precondition(lambda self: self._steps and self.driving)
    @rule(words=st.sampled_from(["attach", "fetch", "clean-up", "jobs"]))
    def second_client(self, words: str) -> None:
        """A second client is refused, and disturbs nothing."""

        def act() -> None:
            job, driver = self.job, self.job.driver
            job.await_(lambda: job.job)
            if driver is None or not driver.alive or job.job is None:
                return
            job.inject("second client", f"a second client comes: {words}")
            other = job.run(words, *{"clean-up": ["-y"], "jobs": []}.get(words, [job.job, "--json"]))
            over = job.records()[job.job]["status"] in ("succeeded", "failed", "cancelled", "kept")
            if words in ("attach", "fetch") and not over and "another cloudrender" not in other.said:
                raise Violation(f"the second client was not refused: {other.said}")
            if words in ("clean-up", "jobs") and other.process.returncode != 0 and not job.excuses:
                raise Violation(f"{words} beside the driver failed: {other.said}")

        self._try(act)

    @precondition(lambda self: self._steps and self.driving)
    @rule(how=st.sampled_from(["Ctrl-C", "cancel"]), after=st.floats(0.0, 3.0))
    def cancel(self, how: str, after: float) -> None:
        """The user wants the job ended."""

        def act() -> None:
            job, driver = self.job, self.job.driver
            job.await_(lambda: False, seconds=after)
            if driver is None or not driver.alive or job.job is None:
                return
            job.excuses.add("cancelled")
            job.inject("cancelled", f"the user ends the job: {how}")
            if how == "Ctrl-C":
                driver.process.send_signal(2)
            else:
                job.run("cancel", job.job)
            job.tell(f"  the client's exit code {driver.wait()}")

        self._try(act)

    @precondition(lambda self: self._steps and self.driving)
    @rule(death=deaths.filter(lambda death: death.kind in ("frames", "seconds")))
    def kill(self, death: Death) -> None:
        """The client is killed."""

        def act() -> None:
            self.driving = False
            if self.job.driver and self.job.driver.alive:
                self.job.die(self.job.driver, death)

        self._try(act)

    @rule(seconds=st.sampled_from([0.0, 0.2, 1.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing happens."""
        if self._steps:
            self._try(lambda: time.sleep(seconds))

    # -- the end -------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Let the job come to its end in the way that was drawn, and judge it."""
        try:
            if self._job is not None and not self.violation:
                self._steps = 1
                self._try(self._end)
        finally:
            self.outcome = self._outcome() if self._job is not None else None
            self._stack.close()

    def _end(self) -> None:
        job = self.job
        if self.driving and job.driver:
            job.tell(f"the client ends with exit code {job.driver.wait()}")
        elif job.job is None:  # the client was killed before there was a job
            job.run(*self._render_words())
        elif self._ending == "never again":
            self._never_again()
        elif self._ending == "another render":
            self._another_render()
        elif self._ending == "cancel" and job.job:
            job.excuses.add("cancelled")
            job.run("cancel", job.job)
        elif job.job:
            job.run("attach", job.job, "--json")
        job.cloud.faults.clear()
        job.tell("no more faults")
        if any(record["machine"] or record["status"] == "cleaning up" for record in job.records().values()):
            job.excuses.add("cancelled")
            job.run("clean-up", "-y")
        for name, record in job.records().items():
            if record["status"] not in ("succeeded", "failed", "cancelled"):
                self._conclude(name)
        if self._insist and job.job:
            self._conclude(job.job)
        self._see_kept_machines_end()
        if job.job is None:
            job.tell("there never was a job")
            return
        self._judge()

    def _see_kept_machines_end(self) -> None:
        """A machine that was kept ends itself when its time is over; `cancel` then closes the record."""
        kept = [name for name, record in self.job.records().items() if record["status"] == "kept"]
        if kept:
            self._see_machines_end()
        for name in kept:
            self.job.run("cancel", name)  # it sees that the machine is gone; attach would render what is missing

    def _conclude(self, name: str) -> None:
        """Go on with a job when all faults are over: nothing but its frames and the limits can stop it then."""
        self.job.excuses -= {"aws", "cancelled", "machines", "transfer"}
        if not self.job.records()[name]["machine"]:
            self.job.excuses -= {"disk"}
        ended = self.job.run("attach", name, "--json")
        if self.job.records()[name]["launches"] >= 4:
            self.job.excuses.add("machines")
        if ended.process.returncode != 0 and not self.job.excuses:
            raise Violation(f"without any fault the job did not come to a good end: {ended.said[-2000:]}")

    def _judge(self) -> None:
        job = self.job
        first = job.records()[str(job.job)]
        if first["launches"] >= 4:
            job.excuses.add("machines")
        found = verdict.check_frames(job)
        here = f"{len(found)} of {job.order.count} frames are here"
        job.tell(f"{here}; {first['status']}: {first['error'] or 'no error'}")
        verdict.check_records_are_closed(job)
        verdict.check_nothing_is_left(job)
        verdict.check_missing_are_named(job, found)
        verdict.check_cost(job)

    def _never_again(self) -> None:
        self.job.inject("client never started again", "nobody starts the client again")
        self._see_machines_end()

    def _see_machines_end(self) -> None:
        deadline = time.monotonic() + _GONE_SECONDS
        while alive := [machine.id for machine in self.job.cloud.machines if machine.ended_at is None]:
            if self._hung:  # its own switch is frozen as well: only a client can end it
                break
            if time.monotonic() > deadline:
                raise Violation(f"with no client the machine {', '.join(alive)} still runs after {_GONE_SECONDS:g} s")
            time.sleep(0.1)

    def _another_render(self) -> None:
        job = self.job
        job.faults["another render"] += 1
        other = job.run("--json", "-f", "9", "-o", "elsewhere")
        if other.process.returncode != 0 and not job.excuses:
            raise Violation(f"another render failed: {other.said[-2000:]}")

    def _drive(self, *words: str, death: Death | None, clock: float | None) -> None:
        self.driving = death is None
        if self.job.clock:  # a client that did not see the clock being set has nothing but it to go by
            self.job.excuses.add("clock")
        client = self.job.start(*words, death=death, clock=clock)
        self.job.driver = client if death is None else None

    def _outcome(self) -> Outcome:
        job = self.job
        here = len(set(job.order.frames) & {int(path.stem) for path in job.out.glob("*.png") if path.stem.isdigit()})
        record: dict[str, Any] = job.records().get(str(job.job), {})
        named = job.order.count - here if record.get("error") or not record else 0
        return Outcome(
            seed=0,
            violation=self.violation,
            story=tuple(job.story),
            faults=job.faults,
            asked=job.order.count,
            here=here,
            lost=job.order.count - here - named,
            rendered=sum(machine.frames for machine in job.cloud.machines),
            machines=len(job.cloud.machines),
            left=sum(machine.ended_at is None for machine in job.cloud.machines),
            seconds=time.monotonic() - job.began,
        )
