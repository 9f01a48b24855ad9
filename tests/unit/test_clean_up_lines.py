# SPDX-License-Identifier: GPL-3.0-or-later
"""What `cloudrender clean-up` lists, in columns."""

from __future__ import annotations

import time

from cloudrender_addon.backend.aws.inventory import Kind, Resource
from cloudrender_addon.backend.farms.leftovers import Leftover
from cloudrender_addon.cli.clean_up import listing


def left(kind: Kind, name: str, *, age: float | None = 12.0, usd: float = 0.0, state: str = "") -> Leftover:
    resource = Resource(kind=kind, id=name, job_id="20260101-000000-abcd", age_seconds=age, state=state)
    return Leftover(region="us-east-1", resource=resource, hourly_usd=usd)


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    lines = listing(
        (
            left(Kind.INSTANCE, "i-0123456789abcdef0", usd=0.2, state="running"),
            left(Kind.TEMPLATE, "cloudrender-20260101-000000-abcd-0123abcd-g4dn.xlarge"),
            left(Kind.KEY_PAIR, "cloudrender-20260101-000000-abcd-0123abcd", age=None),
        ),
        kept={},
    )
    for word in ("us-east-1", "job 2026", "age "):
        assert len({line.index(word) for line in lines}) == 1, lines
    assert len({line.index(name) for line, name in zip(lines, ("i-0", "cloudr", "cloudr"), strict=True)}) == 1, lines
    assert lines[0].endswith("age 0:12     running  $0.200 an hour  about $0.00 so far") and lines[2].endswith(
        "age unknown"
    )


def test_a_machine_that_is_kept_is_told_apart() -> None:
    machines = (left(Kind.INSTANCE, "i-0", state="running"), left(Kind.INSTANCE, "i-1", state="running"))
    until = time.mktime((2026, 1, 2, 14, 32, 0, 0, 0, -1))
    kept, forgotten = listing(machines, kept={"i-0": until})
    assert "running  kept until 14:32 as asked" in kept and "kept" not in forgotten
