# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job goes and how it ended, in the words of the panels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudrender_addon.backend.assets.trace_result import LeftOut, MissingFile
from cloudrender_addon.backend.errors import Cancelled, CleanupError, Detached, MissingFilesError, RenderError
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.progress import Progress
from cloudrender_addon.backend.job.status import Status
from tests.unit.without_bpy import ui_module

progress_texts = ui_module("progress_texts")

START = Progress(total=24, started=1000.0)
HALF_WAY = replace(START, status=Status.RENDERING, rendering_since=1100.0, done=12)


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_name_in_title_case(status: Status) -> None:
    name = progress_texts.phase(status)
    assert name and all(word[0].isupper() or word in ("a", "the") for word in name.split())
    assert "cancell" not in name.lower()  # Blender's English is American


@pytest.mark.parametrize(
    ("progress", "text", "factor"),
    [
        (START, "Starting", 0.0),
        (replace(START, status=Status.UPLOADING), "Sending", 0.0),
        (replace(START, status=Status.UPLOADING, sent=50, to_send=200), "Sending 25%", 0.25),
        (HALF_WAY, "Rendering 12/24", 0.5),
        (replace(HALF_WAY, status=Status.RECOVERING), "Recovering 12/24", 0.5),
    ],
)
def test_the_bar_says_what_is_done_and_how_much_of_it(progress: Progress, text: str, factor: float) -> None:
    assert progress_texts.bar(progress) == progress_texts.Bar(factor=factor, text=text)


def test_a_job_that_is_canceled_says_so_until_its_machine_is_being_ended() -> None:
    assert progress_texts.bar(HALF_WAY, cancelling=True).text == "Canceling"
    assert (
        progress_texts.bar(replace(HALF_WAY, status=Status.CLEANING_UP), cancelling=True).text == "Ending the Machine"
    )


def test_the_status_bar_is_short() -> None:
    assert progress_texts.status_line(HALF_WAY, 1160.0) == "Cloud: Rendering 12/24, 1:00 left, $0.00"
    assert progress_texts.status_line(START, 1001.0) == "Cloud: Starting, $0.00"
    assert progress_texts.status_line(HALF_WAY, 1160.0, cancelling=True) == "Cloud: Canceling, $0.00"


def ended(status: Status, error: Any, frames: int) -> ev.JobEnded:
    return ev.JobEnded(at=1, status=status, error=error, frames=tuple(range(frames)), missing=(), cost_usd=0.12)


@pytest.mark.parametrize(
    ("end", "title", "alert", "resume"),
    [
        (ended(Status.SUCCEEDED, None, 24), "Done: 24 frames, $0.12", False, ""),
        (ended(Status.FAILED, RenderError("a", hint="b"), 0), "Failed: 0 of 24 frames, $0.12", True, "Resume"),
        (ended(Status.CANCELLED, Cancelled(), 3), "Canceled: 3 of 24 frames, $0.12", False, "Resume"),
        (
            ended(Status.CLEANING_UP, CleanupError("a", resources=("i-1",), hint="b"), 24),
            "Something may still be running",
            True,
            "Try Again",
        ),
        (ended(Status.RENDERING, Detached(), 3), "Goes on without this Blender", False, "Resume"),
    ],
)
def test_an_end_in_words(end: ev.JobEnded, title: str, alert: bool, resume: str) -> None:
    ending = progress_texts.ending(end, total=24)
    assert (ending.title, ending.alert, ending.resume) == (title, alert, resume)
    assert not alert or (ending.text, ending.hint) == ("a", "b")


def test_one_frame_is_not_frames() -> None:
    assert progress_texts.ending(ended(Status.SUCCEEDED, None, 1), total=1).title == "Done: 1 frame, $0.12"


def test_what_it_will_have_cost() -> None:
    assert (progress_texts.in_all(None, data_out_usd=1.0), progress_texts.in_all(0.05, data_out_usd=None)) == (
        "–",
        "$0.05",
    )
    assert progress_texts.in_all(0.05, data_out_usd=1.234) == "$0.05, + up to $1.23 data"


def test_missing_files_are_named_but_not_without_end() -> None:
    for number, title in ((1, "Not Started: 1 file is missing"), (12, "Not Started: 12 files are missing")):
        details = tuple(f"image {n} (/p/{n}.png)" for n in range(number))
        error = MissingFilesError("Missing files", paths=("/p/0.png",), details=details)
        ending = progress_texts.ending(ended(Status.FAILED, error, 0), total=24)
        assert ending.title == title and ending.alert and not ending.resume and ending.hint
        assert ending.names == (details if number == 1 else (*details[:10], "and 2 more"))


def test_what_is_sent_is_told_and_what_is_worth_a_look_comes_last() -> None:
    told = ev.FilesTraced(
        at=0.0,
        files=24,
        size=1_200_000,
        missing=(MissingFile(owner="image Wood", path="/p/wood.png"),),
        left_out=(LeftOut(owner="image Key", path="/p/.ssh/a.png", why="private"),),
        warnings=("Cloth is not baked",),
    )
    assert progress_texts.of_files(told) == (
        "Sending 24 files, 1.2 MB",
        "Not sent: image Key (/p/.ssh/a.png: private)",
        "Rendered without image Wood (/p/wood.png)",
        "Cloth is not baked",
    )
    assert progress_texts.of_files(replace(told, files=1, missing=(), left_out=(), warnings=())) == (
        "Sending 1 file, 1.2 MB",
    )
