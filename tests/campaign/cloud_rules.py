# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cloud and its machines may do to a job: rules of the campaign's state machine."""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from cloudrender_addon.backend.aws.codes import CODES
from tests.campaign.choices import TYPES
from tests.campaign.one_job import OneJob, Violation
from tests.localcloud.machine import Machine

_LAUNCH = "CreateFleet"
_OTHER_CALLS = (
    *("AuthorizeSecurityGroupIngress", "CreateSecurityGroup", "DeleteKeyPair", "DeleteSecurityGroup"),
    *("CreateLaunchTemplate", "DeleteLaunchTemplate", "DescribeLaunchTemplates"),
    *("DescribeImages", "DescribeInstances", "DescribeInstanceTypes", "DescribeKeyPairs", "DescribeSecurityGroups"),
    *("DescribeSpotPriceHistory", "DescribeSubnets", "DescribeVolumes", "GetParameter", "ImportKeyPair"),
    "TerminateInstances",
)
_PASSING = ("InternalError", "RequestLimitExceeded", "Unavailable")
"""Errors after which botocore repeats the call by itself: three times are not to be noticed."""


class CloudRules(RuleBasedStateMachine):
    """The state of a job's machine, and what the cloud does. `violation` is the promise that was found broken."""

    def __init__(self) -> None:
        super().__init__()
        self.violation = ""
        self.driving = False
        self._stack = contextlib.ExitStack()
        self._job: OneJob | None = None
        self._steps = 0
        self._ending = ""
        self._insist = False
        self._hung = False
        self._damaged = 0
        self._sold_out: set[str] = set()
        self.small_disk = False
        self._launch_faults: Counter[str] = Counter()

    @property
    def job(self) -> OneJob:
        assert self._job is not None
        return self._job

    # -- what the cloud does -------------------------------------------------------------------------------

    @precondition(lambda self: self._steps)
    @rule(frames=st.integers(0, 5), seconds=st.sampled_from([3.0, 8.0, 120.0]))
    def notice(self, frames: int, seconds: float) -> None:
        """A spot machine is taken back with a notice."""
        self._befall("notice", frames, f"gets the notice of {seconds:g} s", lambda m: self._interrupt(m, seconds))

    @precondition(lambda self: self._steps)
    @rule(frames=st.integers(0, 5))
    def machine_killed(self, frames: int) -> None:
        """A spot machine is gone without notice."""
        self._befall("machine killed", frames, "is gone without notice", self._kill_machine)

    @precondition(lambda self: self._steps)
    @rule(frames=st.integers(0, 5))
    def cut(self, frames: int) -> None:
        """The connections to a machine break."""
        self._befall("cut connections", frames, "loses its connections", Machine.cut_links)

    @precondition(lambda self: self._steps)
    @rule(frames=st.integers(0, 5))
    def hang(self, frames: int) -> None:
        """A machine freezes."""

        def freeze(machine: Machine) -> None:
            if self.job.faults["hung machine"] > 1:  # maybe two at the same frame, which is set aside then
                self.job.excuses.add("suspect")
            if not machine.frames:  # maybe before it ever answered: that may be the user's network, and is told as that
                self.job.excuses.add("silent")
            self._hung = True
            machine.hang()

        self._befall("hung machine", frames, "freezes", freeze)

    @precondition(lambda self: self._steps)
    @rule(frames=st.integers(0, 5))
    def rebalance(self, frames: int) -> None:
        """A spot machine is told that it is likely to be taken back; nothing follows."""
        self._befall("rebalance", frames, "is told that it may be taken back", self.job.cloud.recommend)

    @precondition(lambda self: self._steps)
    @rule(frames=st.integers(0, 5), files=st.integers(1, 2))
    def corrupt(self, frames: int, files: int) -> None:
        """Files arrive with other bytes than they have; a file is tried three times."""

        def damage(machine: Machine) -> None:
            self._damaged += files
            if self._damaged >= 3:
                self.job.excuses.add("transfer")
            machine.damage_transfers(files)

        self._befall("corrupted transfer", frames, f"sends the next {files} files with other bytes", damage)

    @precondition(lambda self: self._steps)
    @rule(frames=st.integers(0, 5), seconds=st.sampled_from([-90000.0, -600.0, 3600.0, 40000.0]))
    def machine_clock(self, frames: int, seconds: float) -> None:
        """The clock of a machine is set."""
        self._befall("clock jump", frames, f"has its clock set by {seconds:+.0f} s", lambda m: m.jump_clock(seconds))

    @precondition(lambda self: self._steps and self.small_disk)
    @rule(frames=st.integers(0, 5))
    def full_disk(self, frames: int) -> None:
        """The disk of a machine is full."""

        def fill(machine: Machine) -> None:
            self.job.excuses.add("disk")
            machine.fill_disk()

        self._befall("full disk", frames, "has no byte left on its disk", fill)

    def _befall(self, kind: str, frames: int, what: str, act: Callable[[Machine], object]) -> None:
        """Do something to the newest machine once it has finished that many frames."""

        def wait_and_act() -> None:
            job = self.job
            job.await_(lambda: (m := job.newest_machine()) and m.running_at and m.frames >= frames)
            machine = job.newest_machine()
            if machine and machine.running_at and not machine.ended_at:
                if kind in ("notice", "machine killed", "rebalance") and not machine.order.spot:
                    return
                job.inject(kind, f"the machine {machine.id} with {machine.frames} frames {what}")
                act(machine)

        self._try(wait_and_act)

    def _interrupt(self, machine: Machine, seconds: float) -> None:
        self.job.cloud.interrupt(machine, notice=seconds)

    def _kill_machine(self, machine: Machine) -> None:
        self.job.cloud.kill(machine)

    @precondition(lambda self: self._steps)
    @rule(code=st.sampled_from(sorted(CODES)), times=st.integers(1, 9), whole=st.booleans())
    def launch_error(self, code: str, times: int, whole: bool) -> None:
        """The next launches are refused: the call, or each of the machines it asks for."""

        def act() -> None:
            what = "calls for a launch" if whole else "launches"
            self.job.inject("launch error", f"the next {times} {what} are answered {code}")
            self.job.cloud.faults.api(_LAUNCH if whole else "RunInstances", code, times=times)
            self._excuse_error("launch", code, times if whole else 9)

        self._try(act)

    @precondition(lambda self: self._steps)
    @rule(kind=st.sampled_from(TYPES))
    def sold_out(self, kind: str) -> None:
        """There are no spot machines of a type any more."""

        def act() -> None:
            self.job.inject("sold out", f"there is no spot machine of type {kind} any more")
            self.job.cloud.faults.no_spot(instance_type=kind)
            self._sold_out.add(kind)
            if self._sold_out.issuperset(self.job.order.types) and self.job.order.purchase == "spot":
                self.job.excuses.add("aws")

        self._try(act)

    @precondition(lambda self: self._steps)
    @rule(action=st.sampled_from(_OTHER_CALLS), code=st.sampled_from(_PASSING), times=st.integers(1, 6))
    def api_error(self, action: str, code: str, times: int) -> None:
        """The API is out of order for a while, or finds that it is asked too much."""

        def act() -> None:
            kind = "throttling" if code == "RequestLimitExceeded" else "API error"
            self.job.inject(kind, f"the next {times} calls of {action} are answered {code}")
            if kind == "throttling":
                self.job.cloud.faults.throttle(action, times=times)
            else:
                spoken = "InternalServerError" if action == "GetParameter" else code  # SSM has its own words
                self.job.cloud.faults.api(action, spoken, times=times)
            self._excuse_error(action, code, times)

        self._try(act)

    @precondition(lambda self: self._steps)
    @rule(action=st.sampled_from((_LAUNCH, *_OTHER_CALLS)), seconds=st.sampled_from([0.5, 2.0]))
    def slow_answer(self, action: str, seconds: float) -> None:
        """A call takes its time."""

        def act() -> None:
            self.job.inject("slow answer", f"the next call of {action} takes {seconds:g} s longer")
            self.job.cloud.faults.delay(action, seconds)

        self._try(act)

    # -- helpers -------------------------------------------------------------------------------------------

    def _excuse_error(self, action: str, code: str, times: int) -> None:
        self._launch_faults[action] += times
        if code not in _PASSING or self._launch_faults[action] > 3:
            self.job.excuses.add("aws")

    def _try(self, act: Callable[[], None]) -> None:
        if self.violation or (self._job is not None and not self._steps):
            return
        self._steps -= self._job is not None
        try:
            act()
        except Violation as found:
            self.violation = str(found)
        except Exception:  # noqa: BLE001  whatever it is, the seed and the story must be told
            self.violation = traceback.format_exc()
