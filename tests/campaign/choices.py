# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job of the campaign may be: chosen by hypothesis, the more usual more often."""

from __future__ import annotations

from hypothesis import strategies as st

from cloudrender_addon.backend.job.status import Status
from tests.campaign.fast_blender import Misbehaviour
from tests.campaign.one_job import Death, Order

TYPES = ("g4dn.xlarge", "g5.xlarge")

_statuses = st.sampled_from([status.value for status in Status])
deaths = st.one_of(
    st.builds(Death, kind=st.sampled_from(["call", "answer"]), value=st.integers(1, 16)),
    st.builds(Death, kind=st.sampled_from(["before", "after"]), value=_statuses),
    st.builds(Death, kind=st.just("frames"), value=st.integers(1, 5)),
    st.builds(Death, kind=st.just("seconds"), value=st.floats(0.1, 4.0).map(lambda s: round(s, 1))),
)
clocks = st.sampled_from([*[None] * 9, -90000.0, -3600.0, 600.0, 40000.0])


@st.composite
def orders(draw: st.DrawFn) -> Order:
    count = draw(st.integers(3, 12))
    first = draw(st.integers(1, 300))
    bad = {}
    if draw(st.integers(0, 3)) == 3:
        frame = st.integers(first, first + count - 1)
        bad = draw(st.dictionaries(frame, st.sampled_from(list(Misbehaviour)), min_size=1, max_size=2))
    return Order(
        first=first,
        count=count,
        seconds=draw(st.sampled_from([0.02, 0.2, 0.5])),
        misbehaviours=bad,
        boot_delay=draw(st.sampled_from([0.0, 0.0, 0.5])),
        visible_after=draw(st.sampled_from([0.0, 0.0, 1.5])),
        ssh_delay=draw(st.sampled_from([0.0, 0.0, 1.0, 2.0])),
        max_cost=draw(st.sampled_from([None, None, 0.01])),
        keep_seconds=draw(st.sampled_from([0.0, 0.0, 0.0, 5.0])),
        beforehand=draw(st.sampled_from([False, False, True])),
        small_disk=draw(st.sampled_from([False, False, True])),
        types=draw(st.sampled_from([TYPES[:1], TYPES, TYPES[::-1]])),
        regions=draw(st.sampled_from([("us-east-1",), ("us-east-1",), ("us-east-1", "eu-west-1")])),
        purchase=draw(st.sampled_from(["spot", "spot", "spot-then-on-demand", "on-demand"])),
    )
