# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's events in words, each in one line."""

from __future__ import annotations

from ..backend.assets.concerns import in_words
from ..backend.farms.base import Machine
from ..backend.job import events as ev
from ..backend.job.estimate import projected_data_out_usd, projected_usd
from ..backend.job.frames import counted
from ..backend.job.progress import Progress
from ..backend.job.status import Status
from ..backend.job.words import format_seconds, worth_a_word


def describe(event: ev.Event, progress: Progress) -> str:
    """Put an event into one line; "" for those not worth one."""
    match event:
        case ev.StatusChanged(status=Status.KEPT):
            return ""  # the end says more of it
        case ev.StatusChanged(status=status) if not status.terminal:
            return f"{status.value.capitalize()} …"
        case ev.FilesTraced(files=files, size=size, outside=outside):
            return _to_be_sent(files, size, outside=len(outside))
        case ev.MachinePlanned(machine=machine):
            return _planned(machine)
        case ev.MachineLaunched(machine=machine):
            where = machine.zone or machine.region
            return f"Machine {machine.instance_id} is starting: {machine.offer.instance_type} in {where}"
        case ev.MachineTakenOver(machine=machine, kept_by=kept_by):
            return f"Using the machine kept by job {kept_by}: no launch, no boot ({_in_use(machine)})"
        case ev.FrameSaved(frame=frame, seconds=seconds):
            return f"Frame {frame} is here ({seconds:.1f} s) {figures(progress, now=event.at)}"
        case ev.FrameFailed(frame=frame, reason=reason):
            return f"Frame {frame} was set aside: {reason}"
        case ev.Interrupted(reason=reason, missing=missing):
            return f"{reason}; going on with {counted(missing)} on another machine"
        case ev.Notice(text=text):
            return text
    return ""


def _to_be_sent(files: int, size: int, *, outside: int) -> str:
    if files == 1:
        return f"What is sent: the file alone, {in_words(size)}"
    elsewhere = f", {outside:,} of them from outside the project folder" if outside else ""
    return f"What is sent: {files:,} files, {in_words(size)}{elsewhere}"


def _planned(machine: Machine) -> str:
    purchase = "on-demand" if machine.request.on_demand else "spot"
    prices = [f"{usd:.3f}" for usd in sorted(offer.hourly_usd for offer in machine.offers)]
    names = " or ".join(offer.instance_type for offer in machine.offers)
    gpu = f", {machine.offer.gpu}" if machine.offer.gpu else ""
    made = f" ({machine.offer.vcpus} vCPUs{gpu})" if len(machine.offers) == 1 else ""
    # A spot machine has a price in each zone, of which the offers name the dearest.
    on_demand = machine.request.on_demand
    usd = f"${'–'.join(dict.fromkeys((prices[0], prices[-1])))}" if on_demand else f"at most ${prices[-1]}"
    return f"{names} {purchase} in {machine.region}{made}, {usd} an hour with disk and address"


def _in_use(machine: Machine) -> str:
    purchase = "on-demand" if machine.request.on_demand else "spot"
    return f"{machine.instance_id}, {machine.offer.instance_type} {purchase}, ${machine.hourly_usd:.3f} an hour"


def figures(progress: Progress, *, now: float) -> str:
    """Say how far the job is, and what it costs."""
    parts = [f"{progress.done}/{progress.total}", f"{format_seconds(now - progress.started)} elapsed"]
    left = progress.seconds_left(now)
    if left is not None and progress.status is Status.RENDERING:
        parts.append(f"{format_seconds(left)} left")
    projected = projected_usd(progress, now)
    cost = f"${progress.cost_usd(now):.4f}"
    if projected is not None:
        cost += f" of about ${projected:.4f}"
        if worth_a_word(data := projected_data_out_usd(progress)):
            cost += f" + up to ${data:.2f} data out"
    parts.append(cost)
    return " · ".join(parts)
