# SPDX-License-Identifier: GPL-3.0-or-later
"""`cloudrender clean-up`: list what carries our tag in the account, with its age and cost, and end it after a yes."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Mapping

from ..backend.aws.enabled_regions import enabled_regions
from ..backend.aws.session import Account
from ..backend.baking.record import BuildStore
from ..backend.baking.tidying import driven_builds, tidy_builds
from ..backend.errors import RecordError
from ..backend.farms.factory import open_account
from ..backend.farms.leftovers import Leftover, Search, end_all, search
from ..backend.job.record import JobRecord
from ..backend.job.store import JobStore
from ..backend.job.words import clock, format_seconds
from ..backend.known_regions import known_regions
from ..backend.settings import Settings
from .ask import agreed
from .display import Display
from .jobs import tags_of, tidy_open_jobs


def clean_up(arguments: argparse.Namespace, settings: Settings, display: Display) -> int:
    """List and end what is ours; jobs being driven right now are left alone. Return 1 if anything is left."""
    store, account = JobStore(settings.home), open_account(settings)
    records = _records(store)
    regions = enabled_regions(account) if arguments.all_regions else known_regions(account, settings)
    looked = _look(account, regions, records, store, display)
    if not looked.found:
        tidy_builds(store.home, say=display.say)  # what builds had may have ended by itself; their records are closed
        display.say(f"Nothing of cloudrender is left running in {_places(looked, regions)}")
        return 1 if looked.problems or BuildStore(store.home).left() else 0
    for line in listing(looked.found, kept=_kept(records)):
        display.say(line)
    display.say(_total(looked.found))
    if not arguments.yes and not agreed("End all of this?"):
        display.say("Nothing was changed")
        return 1
    # Asked again: a client may have begun to drive one of these jobs while the question stood.
    end_all(account, _undriven(store, looked.found))
    tidy_open_jobs(store, display, ended={left.resource.job_id for left in looked.found})
    after = _look(account, tuple(dict.fromkeys(left.region for left in looked.found)), records, store, display)
    display.say(f"Ended: {len(looked.found) - len(after.found)} of {len(looked.found)}")
    left_running = ", ".join(left.resource.id for left in after.found) or "nothing"
    display.say(f"Left running in {_places(looked, regions)}: {left_running}")
    return 1 if after.found or looked.problems or after.problems else 0


def _look(
    account: Account, regions: tuple[str, ...], records: list[JobRecord], store: JobStore, display: Display
) -> Search:
    machines = [record.machine for record in records if record.machine is not None]
    known_usd = {m.instance_id: m.hourly_usd - m.offer.disk_usd for m in machines if m.instance_id is not None}
    looked = search(account, regions, known_usd=known_usd)
    for region, problem in looked.problems.items():
        display.say(f"Not looked into {region}: {problem.message}")
    return Search(found=_undriven(store, looked.found), problems=looked.problems)


def _records(store: JobStore) -> list[JobRecord]:
    records = []
    for folder in store.folders():
        try:
            records.append(folder.load())
        except RecordError:  # damaged: what it rented is found by tag
            continue
    return records


def _undriven(store: JobStore, leftovers: Iterable[Leftover]) -> tuple[Leftover, ...]:
    """Return those that belong to no job that a client drives right now."""
    driven = {*driven_builds(store.home)}
    for folder in store.folders():
        if folder.locked():
            with contextlib.suppress(RecordError):  # the folder's name is all that can be known
                driven |= tags_of(folder.load())
            driven.add(folder.job_id)
    return tuple(left for left in leftovers if left.resource.job_id not in driven)


def _places(looked: Search, regions: tuple[str, ...]) -> str:
    seen = [region for region in regions if region not in looked.problems]
    return ", ".join(seen) if len(seen) <= 3 else f"{len(seen)} regions"


def _kept(records: Iterable[JobRecord]) -> dict[str, float]:
    """Return until when (epoch seconds) each machine of a job of this computer is kept, as its user wanted."""
    kept = {each.machine.instance_id: each.kept_until for each in records if each.machine is not None}
    return {name: until for name, until in kept.items() if name is not None and until is not None}


def listing(leftovers: Iterable[Leftover], *, kept: Mapping[str, float]) -> list[str]:
    """Return a line for each: what all of them have in columns, then what only some have.

    `kept` says until when a machine is kept (epoch seconds), by its id.
    """
    rows = [(_columns(left), _rest(left, kept.get(left.resource.id))) for left in leftovers]
    widths = [max(map(len, column)) for column in zip(*(columns for columns, _ in rows), strict=True)]
    return [
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(columns, widths, strict=True)), *rest]).rstrip()
        for columns, rest in rows
    ]


def _columns(left: Leftover) -> tuple[str, ...]:
    resource = left.resource
    age = "unknown" if resource.age_seconds is None else format_seconds(resource.age_seconds)
    return (resource.kind.value, resource.id, left.region, f"job {resource.job_id}", f"age {age}")


def _rest(left: Leftover, kept_until: float | None) -> list[str]:
    parts = [left.resource.state, left.resource.detail]
    if kept_until is not None:
        parts.append(f"kept until {clock(kept_until)} as asked")
    if left.hourly_usd != 0:
        parts.append("price unknown" if left.hourly_usd is None else f"${left.hourly_usd:.3f} an hour")
    if left.cost_usd:
        parts.append(f"about ${left.cost_usd:.2f} so far")
    return [part for part in parts if part]


def _total(leftovers: Iterable[Leftover]) -> str:
    costs = [left.cost_usd for left in leftovers]
    hourly = sum(left.hourly_usd or 0.0 for left in leftovers)
    more = ", and what has no price here" if None in costs else ""
    spent = sum(cost for cost in costs if cost is not None)
    return f"In all about ${spent:.2f} so far{more}; it goes on at ${hourly:.3f} an hour until it is ended"
