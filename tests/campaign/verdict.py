# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of every job of the campaign when all is over. Raises `Violation` for what is not."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from cloudrender_addon.backend.aws.tags import JOB
from tests.campaign.fast_blender import Misbehaviour, frame_in
from tests.campaign.one_job import OneJob, Violation

_MINIMUM_SECONDS = 60  # EC2 bills a minute at least
_ENDING_SECONDS = 15.0  # for a machine past its limit: to hear of it, be ended, and be seen gone, on a busy computer
_VANISHING_SECONDS = 20.0
_HOPEFUL = {Misbehaviour.CRASH_ONCE}


_WORDS = {
    "aws": ".",  # each of AWS's errors has words of its own
    "cancelled": "Cancelled",
    "clock": "time limit|cost limit",
    "cost": "cost limit",
    "disk": "disk|space",
    "frames": "could not be rendered|No frame can be rendered|time limit",
    "machines": "no further one is tried",
    "silent": "did not answer",
    "suspect": "could not be rendered",
    "transfer": "damaged",
}
"""What a job's error says that ended for one of these reasons."""


def check_nothing_is_left(job: OneJob) -> None:
    """The account is empty and no process of a machine runs."""
    deadline = time.monotonic() + _VANISHING_SECONDS
    while left := job.cloud.leftovers():
        if time.monotonic() > deadline:
            raise Violation("left in the account: " + "; ".join(left))
        time.sleep(0.1)


def check_records_are_closed(job: OneJob) -> None:
    """Every job has ended; no key is left on this computer."""
    for name, record in job.records().items():
        if record["status"] not in ("succeeded", "failed", "cancelled") or record["machine"] is not None:
            raise Violation(f"the record of job {name} is left open: {record['status']}, machine {record['machine']}")
        keys = [path.name for path in (job.home / "jobs" / name / "keys").glob("*")]
        if keys:
            raise Violation(f"keys of job {name} are left on this computer: {', '.join(keys)}")


def check_frames(job: OneJob) -> set[int]:
    """What is in the output folder are frames that were asked for, each whole and the right one; return them.

    What the record notes as saved is there, noted once.
    """
    found = set()
    for path in sorted(job.out.iterdir()) if job.out.exists() else ():
        if not (path.suffix == ".png" and path.stem.isdigit() and int(path.stem) in job.order.frames):
            raise Violation(f"{path.name} in the output folder is no frame that was asked for")
        shown = _decode(path)
        if shown != int(path.stem):
            raise Violation(f"{path.name} shows frame {shown}")
        found.add(shown)
    noted = _noted(job.home / "jobs" / str(job.job) / "frames.jsonl")
    for frame, times in noted.items():
        if times != 1:
            raise Violation(f"frame {frame} was saved {times} times")
    if set(noted) - found:
        raise Violation(f"noted as saved but not there: {sorted(set(noted) - found)}")
    return found


def check_missing_are_named(job: OneJob, found: set[int]) -> None:
    """Frames that are not here are named by the job's last word, with an error that says why."""
    missing = sorted(set(job.order.frames) - found)
    if not missing:
        return
    record = job.records()[str(job.job)]
    if not record["error"]:
        raise Violation(f"frames {missing} are missing and the record tells no error ({record['status']})")
    if record["status"] == "succeeded":
        raise Violation(f"frames {missing} are missing and the job is called a success")
    ends = [
        ended
        for client in job.clients
        if not {"elsewhere", "beforehand"} & {*client.words} and (ended := client.ended())
    ]
    if ends and sorted(ends[-1]["missing"]) != missing:
        raise Violation(f"frames {missing} are missing, and the command named {ends[-1]['missing']}")
    if not job.excuses:
        raise Violation(f"frames {missing} are missing, and nothing that happened warrants it: {record['error']}")
    if not any(re.search(_WORDS[excuse], record["error"]) for excuse in job.excuses):
        raise Violation(f"the error tells of nothing that happened ({', '.join(job.excuses)}): {record['error']}")
    if job.excuses == {"frames"}:
        hopeless = [f for f, how in job.order.misbehaviours.items() if how not in _HOPEFUL]
        # A frame that never ends keeps the rest from being rendered; after three bad ones and not one good, so does the
        # agent.
        given_up = Misbehaviour.HANG in job.order.misbehaviours.values() or len(missing) == job.order.count
        if missing != sorted(hopeless) and not given_up:
            raise Violation(f"frames {missing} are missing, but only {hopeless} cannot be rendered: {record['error']}")


def check_cost(job: OneJob) -> None:
    """No machine lived longer, and all together cost no more, than the limits allow."""
    settings = job.records()[str(job.job)]["spec"]["settings"]
    rented, prices = _rented(job), _prices(job)
    cost = spare = 0.0
    for machine in job.cloud.machines:
        if machine.id in rented and machine.ended_at:
            seconds = machine.ended_at - machine.launched_at
            allowed = settings["max_hours"] * 3600 + _ENDING_SECONDS
            if seconds > allowed:
                raise Violation(f"the machine {machine.id} lived {seconds:.0f} s of {allowed:.0f} s that are allowed")
            per_second = prices[machine.order.instance_type, machine.order.spot] / 3600
            cost += per_second * max(seconds, _MINIMUM_SECONDS)
            spare = max(spare, per_second * _ENDING_SECONDS)
    if job.order.max_cost and cost > job.order.max_cost + spare:
        raise Violation(f"the machines cost ${cost:.4f}, the limit is ${job.order.max_cost}")


def _rented(job: OneJob) -> set[str]:
    """Return the machines of the job; those of other renders are in the same account."""
    wanted = [{"Name": f"tag:{JOB}", "Values": [str(job.job)]}]
    answers = [
        job.cloud.client("ec2", region=region).describe_instances(Filters=wanted) for region in job.order.regions
    ]
    reservations = [reservation for answer in answers for reservation in answer["Reservations"]]
    return {each["InstanceId"] for reservation in reservations for each in reservation["Instances"]}


def _prices(job: OneJob) -> dict[tuple[str, bool], float]:
    """Return what clients told of prices, USD per hour: by type, and whether it is a spot machine."""
    prices = {}
    for client in job.clients:
        for line in client.out.read_text(encoding="utf-8").splitlines():
            if '"machine_planned"' in line or '"machine_launched"' in line:
                machine = json.loads(line)["machine"]
                for offer in machine["offers"]:
                    hourly = offer["machine_usd"] + offer["disk_usd"] + offer["address_usd"]
                    prices[offer["instance_type"], not machine["request"]["on_demand"]] = hourly
    return prices


def _decode(path: Path) -> int:
    try:
        with Image.open(path) as image:
            pixels = image.convert("RGB").getcolors()
    except (OSError, UnidentifiedImageError) as error:
        raise Violation(f"{path.name} cannot be decoded: {error}") from error
    assert pixels is not None and len(pixels) == 1
    return frame_in(pixels[0][1])


def _noted(path: Path) -> Counter[int]:
    if not path.exists():
        return Counter()
    lines = path.read_text(encoding="utf-8").splitlines()
    return Counter(int(fields["frame"]) for fields in map(json.loads, lines) if "frame" in fields)
