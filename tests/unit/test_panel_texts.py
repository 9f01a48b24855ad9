# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the panels in Blender."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.assets.trace_result import LeftOut, MissingFile
from cloudrender_addon.backend.aws.choices import CHOICES
from cloudrender_addon.backend.errors import Cancelled, CleanupError, Detached, MissingFilesError, RenderError
from cloudrender_addon.backend.farms.quotes import Quote
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.estimate import Estimate
from cloudrender_addon.backend.job.progress import Progress
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.summary import JobSummary
from cloudrender_addon.backend.job.words import clock
from tests.unit.without_bpy import ui_module

texts, job_texts = ui_module("texts"), ui_module("job_texts")

START = Progress(total=24, started=1000.0)
HALF_WAY = replace(START, status=Status.RENDERING, rendering_since=1100.0, done=12)
QUOTE = Quote(spot_usd=0.2, on_demand_usd=0.5, extras_usd=0.014)
CHOICE = {choice.name: choice for choice in CHOICES}


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_name_in_title_case(status: Status) -> None:
    name = texts.phase(status)
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
    assert texts.bar(progress) == texts.Bar(factor=factor, text=text)


def test_a_job_that_is_canceled_says_so_until_its_machine_is_being_ended() -> None:
    assert texts.bar(HALF_WAY, cancelling=True).text == "Canceling"
    assert texts.bar(replace(HALF_WAY, status=Status.CLEANING_UP), cancelling=True).text == "Ending the Machine"


def test_the_status_bar_is_short() -> None:
    assert texts.status_line(HALF_WAY, 1160.0) == "Cloud: Rendering 12/24, 1:00 left, $0.00"
    assert texts.status_line(START, 1001.0) == "Cloud: Starting, $0.00"
    assert texts.status_line(HALF_WAY, 1160.0, cancelling=True) == "Cloud: Canceling, $0.00"


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "$0.00"), (0.0042, "$0.004"), (0.0096, "$0.01"), (0.126, "$0.13"), (1234.5, "$1,234.50")]
)
def test_money(usd: float, text: str) -> None:
    assert texts.money(usd) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "5 s"), (43, "45 s"), (58, "1 min"), (700, "12 min"), (5990, "100 min"), (12600, "3.5 h")]
)
def test_about(seconds: float, text: str) -> None:
    assert texts.about(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "now"), (59, "now"), (60, "1 min"), (7300, "2 h"), (90_000, "1 d"), (900_000, "10 d")]
)
def test_age(seconds: float, text: str) -> None:
    assert texts.age(seconds) == text


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
    ending = texts.ending(end, total=24)
    assert (ending.title, ending.alert, ending.resume) == (title, alert, resume)
    assert not alert or (ending.text, ending.hint) == ("a", "b")


def test_one_frame_is_not_frames() -> None:
    assert texts.ending(ended(Status.SUCCEEDED, None, 1), total=1).title == "Done: 1 frame, $0.12"


def test_machines_in_words() -> None:
    assert texts.gpu(CHOICE["g6.xlarge"]) == "NVIDIA L4, 24 GB"
    assert texts.gpu(CHOICE["g6.12xlarge"]) == "4 × NVIDIA L4, 24 GB each"
    assert texts.gpu(CHOICE["c7i.4xlarge"]) == "None"
    assert texts.in_list(CHOICE["g6.xlarge"], QUOTE, "spot") == "NVIDIA L4, 24 GB; 16 GB memory; $0.214/h"
    assert texts.in_list(CHOICE["c7i.4xlarge"], None, "spot") == "16 vCPUs; 32 GB memory"


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_what_is_chosen_from_the_list_is_the_type_alone(choice: Any) -> None:
    assert texts.chosen(texts.suggestion(choice.name, texts.in_list(choice, QUOTE, "spot"))) == choice.name


def test_what_is_typed_stays_as_it_is() -> None:
    assert texts.chosen(" my profile ") == "my profile"
    assert texts.suggestion("a profile", "") == "a profile"


@pytest.mark.parametrize(
    ("quote", "purchase", "text"),
    [
        (QUOTE, "spot", "$0.214/h"),
        (QUOTE, "on-demand", "$0.514/h"),
        (replace(QUOTE, spot_usd=None), "spot-then-on-demand", "$0.514/h"),
        (replace(QUOTE, spot_usd=None), "spot", ""),
        (None, "spot", ""),
    ],
)
def test_a_price_is_all_that_is_billed(quote: Quote | None, purchase: str, text: str) -> None:
    assert texts.price(quote, purchase) == text


@pytest.mark.parametrize(
    ("types", "text"),
    [
        (("g6.xlarge",), "g6.xlarge"),
        (("g6.xlarge", "g5.xlarge"), "g6.xlarge or g5.xlarge"),
        (("g6.xlarge", "g5.xlarge", "g4dn.xlarge"), "g6.xlarge or 2 others"),
    ],
)
def test_any_of_several_machines_will_do(types: tuple[str, ...], text: str) -> None:
    assert texts.any_of(types) == text


def test_several_machines_have_the_prices_that_are_known() -> None:
    dearer = replace(QUOTE, spot_usd=0.3)
    assert texts.prices([QUOTE], "spot") == texts.prices([QUOTE, None, QUOTE], "spot") == "$0.214/h"
    assert texts.prices([dearer, QUOTE, replace(QUOTE, spot_usd=None)], "spot") == "$0.214 to $0.314/h"
    assert texts.prices([None], "spot") == ""


def test_names_with_commas_between_them() -> None:
    assert texts.names(" g6.xlarge,g5.xlarge ,, g6.xlarge") == ("g6.xlarge", "g5.xlarge")
    assert texts.names(" , ") == ()


def test_an_estimate_or_what_will_tell() -> None:
    known = Estimate(hourly_usd=0.2, seconds=1500.0, usd=0.123)
    assert (texts.estimated(known), texts.short_estimate(known)) == ("About $0.12 in 25 min", "$0.12, 25 min")
    large = replace(known, data_out_usd=0.4)
    assert texts.estimated(large) == "About $0.12 in 25 min, + up to $0.40 data"
    assert texts.estimated(replace(known, data_out_usd=0.004)) == texts.estimated(known)
    unknown = Estimate(hourly_usd=0.2, seconds=None, usd=None)
    assert texts.estimated(unknown) == "$0.200/h; time not known yet"
    assert texts.short_estimate(unknown) == "After a first render"
    assert texts.short_estimate(None) == "Price not known"


def test_what_it_will_have_cost() -> None:
    assert (texts.in_all(None, data_out_usd=1.0), texts.in_all(0.05, data_out_usd=None)) == ("–", "$0.05")
    assert texts.in_all(0.05, data_out_usd=1.234) == "$0.05, + up to $1.23 data"


def test_limits() -> None:
    assert texts.limits(5.0, 8.0) == "$5.00 or 8 hours"
    assert texts.limits(None, 1.0) == "1 hour, no limit on cost"
    assert (texts.short_limits(5.0, 1.5), texts.short_limits(None, 8.0)) == ("$5.00 or 1.5 h", "8 h")


# -- the list of jobs -----------------------------------------------------------------------------------

DONE = JobSummary(
    job_id="j", status=Status.SUCCEEDED, started=1000.0, frames=24, saved=24, brought=24, cost_usd=0.12,
    blend=Path("/p/robot.blend"), instance_type="g6.xlarge",
)  # fmt: skip
FAILED = replace(DONE, status=Status.FAILED, saved=12, error="Blender crashed")
HALF = replace(DONE, status=Status.RENDERING, saved=2, open=True)
ELSEWHERE = replace(HALF, driven=True)
KEPT = replace(DONE, status=Status.KEPT, open=True, kept_until=9000.0)
DAMAGED = JobSummary(job_id="j", status=None, error="Not JSON", hint="Delete it")
LIVE = job_texts.Live(progress=HALF_WAY, cancelling=False)


@pytest.mark.parametrize(
    ("job", "live", "icon", "frames", "standing"),
    [
        (DONE, None, "CHECKMARK", "24/24", "Done"),
        (replace(DONE, saved=20), None, "CHECKMARK", "20/24", "Done, but frames were deleted since"),
        (replace(DONE, machine_went_to="k"), None, "CHECKMARK", "24/24", "Done; its machine went on with another job"),
        (FAILED, None, "ERROR", "12/24", "Failed: Blender crashed"),
        (replace(FAILED, machine_went_to="k"), None, "ERROR", "12/24", "Failed: Blender crashed"),
        (replace(DONE, status=Status.CANCELLED, saved=1, error="Cancelled"), None, "CANCEL", "1/24", "Canceled"),
        (HALF, None, "PAUSE", "2/24", "Left half-way: resume or cancel it"),
        (KEPT, None, "TIME", "24/24", f"Kept until {clock(9000.0)}"),
        (replace(KEPT, kept_until=1200.0), None, "TIME", "24/24", f"Machine was kept until {clock(1200.0)}"),
        (ELSEWHERE, None, "RENDER_ANIMATION", "2/24", "Rendering, by another program"),
        (ELSEWHERE, LIVE, "RENDER_ANIMATION", "12/24", "Rendering 12/24"),
        (DAMAGED, None, "ERROR", "–", "Damaged: Not JSON"),
    ],
)
def test_a_job_in_the_list(job: JobSummary, live: Any, icon: str, frames: str, standing: str) -> None:
    row = job_texts.job_row(job, live, now=1300.0)
    assert (row.icon, row.frames) == (icon, frames)
    assert job_texts.job_lines(job, live, now=1300.0)[0] == standing


def test_when_a_job_was_started() -> None:
    assert job_texts.job_lines(DONE, None, now=1300.0)[1] == "g6.xlarge, 5 min ago, $0.005 a frame"
    new = replace(DONE, brought=0)
    assert job_texts.job_lines(new, None, now=1001.0)[1] == "g6.xlarge, just now"
    assert job_texts.job_row(DONE, None, now=1300.0).age == "5 min"


@pytest.mark.parametrize(
    ("job", "live", "possible"),
    [
        (None, None, set()),
        (DONE, None, {"show", "folder", "forget", "log"}),
        (FAILED, None, {"show", "folder", "resume", "forget", "log"}),
        (HALF, None, {"show", "folder", "resume", "cancel", "log"}),
        (ELSEWHERE, None, {"show", "folder", "cancel", "log"}),
        (ELSEWHERE, LIVE, {"show", "folder", "cancel", "log"}),
        (ELSEWHERE, replace(LIVE, cancelling=True), {"show", "folder", "log"}),
        (KEPT, None, {"show", "folder", "cancel", "log"}),
        (DAMAGED, None, {"forget", "log"}),
    ],
)
def test_only_what_makes_sense_can_be_done(job: JobSummary | None, live: Any, possible: set[str]) -> None:
    assert {name for name, can in vars(job_texts.possible(job, live)).items() if can} == possible


def test_missing_files_are_named_but_not_without_end() -> None:
    for number, title in ((1, "Not Started: 1 file is missing"), (12, "Not Started: 12 files are missing")):
        details = tuple(f"image {n} (/p/{n}.png)" for n in range(number))
        error = MissingFilesError("Missing files", paths=("/p/0.png",), details=details)
        ending = texts.ending(ended(Status.FAILED, error, 0), total=24)
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
    assert texts.of_files(told) == (
        "Sending 24 files, 1.2 MB",
        "Not sent: image Key (/p/.ssh/a.png: private)",
        "Rendered without image Wood (/p/wood.png)",
        "Cloth is not baked",
    )
    assert texts.of_files(replace(told, files=1, missing=(), left_out=(), warnings=())) == ("Sending 1 file, 1.2 MB",)
