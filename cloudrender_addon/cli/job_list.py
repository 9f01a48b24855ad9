# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `jobs`: a line for every job of this computer, and how its machines got to their first frame."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from ..backend.baking import words
from ..backend.baking.record import BuildStore
from ..backend.job.store import JobStore
from ..backend.job.summary import JobSummary, summarize
from ..backend.job.timing import to_json
from ..backend.job.words import clock
from ..backend.settings import Settings
from . import timing
from .display import put


def list_jobs(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print one line, or one JSON object, for every job; with `timing` what is known of its machines, too."""
    summaries = [summarize(folder) for folder in JobStore(settings.home).folders()]
    if not summaries and not arguments.json:
        print("No jobs yet")
    for summary in summaries:
        row = _row(summary)
        if arguments.json:
            times = {"timing": [to_json(each) for each in summary.timings]} if arguments.timing else {}
            print(json.dumps({**row, **times}, ensure_ascii=False))
            continue
        for line in _line(row).splitlines():
            put(line)
        for each in summary.timings if arguments.timing else ():
            for line in timing.table(each):
                put(f"    {line}")
    if not arguments.json:
        for line in half_way_lines(settings):
            put(line)
    if arguments.timing and not arguments.json:
        for line in timing.images([each for summary in summaries for each in summary.timings]):
            put(line)
    return 0


def half_way_lines(settings: Settings) -> list[str]:
    """Tell of the builds of images whose client died, a line each: what they rented costs until it is ended."""
    left = BuildStore(settings.home).left()
    return [f"{words.half_way(build_id, record)}; `cloudrender clean-up` ends it" for build_id, record in left.items()]


def _row(summary: JobSummary) -> dict[str, Any]:
    if summary.status is None:
        return {"job": summary.job_id, "status": "damaged", "error": summary.error}
    a_frame = summary.cost_per_frame_usd
    return {
        "job": summary.job_id,
        "status": summary.status.value,
        "left_half_way": summary.left_half_way,
        "saved": summary.saved,
        "frames": summary.frames,
        "cost_usd": round(summary.cost_usd, 6),
        "cost_per_frame_usd": None if a_frame is None else round(a_frame, 6),
        "blend": str(summary.blend),
        "output": str(summary.output),
        "machine": summary.instance_id,
        "kept_until": summary.kept_until,
        "machine_went_to": summary.machine_went_to or None,
        "error": summary.error,
    }


def kept_line(job_id: str, until: float) -> str:
    """Tell of a machine that is kept, or was to be, and how to end it."""
    cancel = f"`cloudrender cancel {job_id}`"
    if time.time() < until:
        return f"The machine of job {job_id} is kept until {clock(until)} as asked: {cancel} ends it sooner"
    return f"The machine of job {job_id} was kept until {clock(until)}: {cancel} sees that it is gone"


def _line(row: dict[str, Any]) -> str:
    if row["status"] == "damaged":
        return f"{row['job']}  damaged: {row['error']}"
    frames = f"{row['saved']}/{row['frames']} frames"
    a_frame = row["cost_per_frame_usd"]
    cost = f"${row['cost_usd']:.4f}" + ("" if a_frame is None else f" (${a_frame:.4f} a frame)")
    text = f"{row['job']}  {row['status']:<12} {frames:>14}  {cost:<25}  {row['blend']} → {row['output']}"
    if row["kept_until"] is not None:
        text += f"\n    {kept_line(row['job'], row['kept_until'])}"
    if row["machine_went_to"] is not None:
        text += f"\n    its machine went on with job {row['machine_went_to']}"
    if row["left_half_way"]:
        text += f"\n    nobody drives it: `cloudrender attach {row['job']}` goes on with it"
    return f"{text}\n    {row['error']}" if row["error"] else text
