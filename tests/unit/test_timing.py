# SPDX-License-Identifier: GPL-3.0-or-later
"""From launch to first frame, step by step: kept whatever becomes of the client, never in a job's way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cloudrender_addon.backend.farms.base import Machine
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job import stopwatch
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.stopwatch import Stopwatch
from cloudrender_addon.backend.job.timing import (
    STEPS,
    FirstSample,
    MachineTiming,
    compare_images,
    image_savings,
    timings,
    to_json,
)
from cloudrender_addon.cli import timing as in_terminal
from tests.unit.test_baking import a_machine
from tests.unit.without_bpy import ui_module

timing_texts = ui_module("timing_texts")

LAUNCHED = 1_000_000.0
STEADY = {"running": 12.0, "answers": 25.0, "agent": 26.0, "files": 28.0, "blender": 61.0, "first_sample": 70.5}
FROM_AWS = MachineTiming(
    instance_id="i-0123456789abcdef0",
    instance_type="g4dn.xlarge",
    image_id="ami-0123456789abcdef0",
    image_origin="public",
    blender_from="download",
    began=LAUNCHED,
    seconds={**STEADY, "first_frame": 170.0},
)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path)


def machine(name: str = "i-1") -> Machine:
    return replace(a_machine(), instance_id=name, launched_at=LAUNCHED)


def step(name: str, seconds: float, blender_from: str = "") -> ev.StepTaken:
    return ev.StepTaken(at=0.0, step=name, moment=LAUNCHED + seconds, blender_from=blender_from)


def launched(name: str = "i-1") -> ev.MachineLaunched:
    return ev.MachineLaunched(at=0.0, machine=machine(name))


def released(name: str = "i-1") -> ev.MachineReleased:
    return ev.MachineReleased(at=0.0, machine=machine(name))


# -- noting ------------------------------------------------------------------------------------------------


def test_each_step_once_for_each_machine_and_told_at_once(folder: JobFolder) -> None:
    told: list[ev.Event] = []
    watch = Stopwatch(folder, told.append)
    events = [
        launched(),
        step("running", 12.0),
        step("answers", 25.0),
        step("answers", 99.0),
        step("blender", 31.25, "image"),
        step("first_frame", 60.0),
        step("first_frame", 61.0),
        released(),
        step("first_sample", 62.0),
        launched("i-2"),
        step("running", 14.0),
    ]
    for event in events:
        watch(event)
    first, second = timings(folder)
    assert (first.instance_id, first.instance_type, first.image_id) == ("i-1", "g4dn.xlarge", "ami-1")
    assert first.seconds == {"running": 12.0, "answers": 25.0, "blender": 31.25, "first_frame": 60.0}
    assert (first.blender_from, first.alone, first.began) == ("image", False, LAUNCHED)
    assert (second.instance_id, second.seconds) == ("i-2", {"running": 14.0})
    assert [event for event in told if not isinstance(event, ev.MachineTimed)] == [
        launched(),
        released(),
        launched("i-2"),
    ]
    so_far = [event.timing for event in told if isinstance(event, ev.MachineTimed)]
    assert [len(timing.seconds) for timing in so_far] == [1, 2, 3, 4, 1]
    assert so_far[3:] == [first, second]


def test_a_second_client_goes_on_where_the_first_one_was_killed(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Stopwatch(folder, lambda _: None)
    for event in (launched(), step("running", 12.0), step("answers", 25.0), step("agent", 26.0)):
        first(event)
    # It sends the project from 500 s on. What the agent did meanwhile, the agent knows.
    monkeypatch.setattr(stopwatch, "now", lambda: LAUNCHED + 500.0)
    second = Stopwatch(folder, lambda _: None)
    second(ev.MachineResumed(at=0.0, machine=machine()))
    for event in (step("answers", 501.0), step("files", 510.0), step("agent", 511.0), step("blender", 60.0)):
        second(event)
    [timing] = timings(folder)
    assert timing.seconds == {"running": 12.0, "answers": 25.0, "agent": 26.0, "files": 510.0, "blender": 60.0}
    assert timing.alone


def test_who_comes_later_cannot_tell_when_the_machine_was_up(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopwatch, "now", lambda: LAUNCHED + 500.0)
    watch = Stopwatch(folder, lambda _: None)
    watch(ev.MachineResumed(at=0.0, machine=machine()))
    for event in (step("running", 501.0), step("answers", 502.0), step("agent", 30.0), step("files", 62.0)):
        watch(event)
    [timing] = timings(folder)
    assert timing.seconds == {"agent": 30.0, "files": 62.0}
    assert not timing.alone, "all had been sent before"


def test_a_machine_that_is_taken_over_has_no_launch(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = replace(machine(), paid_from=LAUNCHED + 3000.0)
    Stopwatch(folder, lambda _: None)(ev.MachineTakenOver(at=0.0, machine=taken, kept_by="j0"))
    monkeypatch.setattr(stopwatch, "now", lambda: LAUNCHED + 3001.0)
    watch = Stopwatch(folder, lambda _: None)
    watch(ev.MachineResumed(at=0.0, machine=taken))
    watch(step("agent", 3002.5))
    [timing] = timings(folder)
    assert (timing.kept_by, timing.began, timing.seconds) == ("j0", LAUNCHED + 3000.0, {"agent": 2.5})


def test_a_machine_that_a_job_has_kept_for_itself_is_timed_anew(folder: JobFolder) -> None:
    watch = Stopwatch(folder, lambda _: None)
    for event in (launched(), step("agent", 26.0)):
        watch(event)
    again = replace(machine(), paid_from=LAUNCHED + 3000.0)
    watch = Stopwatch(folder, lambda _: None)
    watch(ev.MachineTakenOver(at=0.0, machine=again, kept_by="j0"))
    watch(ev.MachineResumed(at=0.0, machine=again))  # by the same client: it has just got it
    watch(step("files", 10_000.0))
    before, after = timings(folder)
    assert (before.seconds, after.seconds) == ({"agent": 26.0}, {"files": 7000.0})
    assert (before.kept_by, after.kept_by, after.alone) == ("", "j0", False)


def test_a_machine_without_a_beginning_is_not_noted(folder: JobFolder) -> None:
    watch = Stopwatch(folder, lambda _: None)
    for event in (step("agent", 3.0), released()):
        watch(event)
    assert timings(folder) == ()


def test_a_full_disk_or_a_damaged_line_stops_nothing(folder: JobFolder, tmp_path: Path) -> None:
    told: list[ev.Event] = []
    watch = Stopwatch(JobFolder(tmp_path / "gone"), told.append)
    watch(launched())
    watch(step("agent", 3.0))
    assert isinstance(told[-1], ev.MachineTimed)
    whole = '{"instance_id": "i-1", "instance_type": "t", "image_id": "a", "seconds": {"agent": 3, "old": 1}}'
    bad = whole.replace("3", "NaN"), whole.replace("3", '"x"'), whole.replace('{"agent": 3, "old": 1}', "7")
    (tmp_path / "timing.jsonl").write_text("\n".join([*bad, "[]", '{"other": 1}', whole, '{"instance_id": "i-0"']))
    again = Stopwatch(folder, lambda _: None)
    again(launched("i-2"))
    assert [(each.instance_id, each.seconds) for each in timings(folder)] == [("i-1", {"agent": 3.0}), ("i-2", {})]


# -- what it means -----------------------------------------------------------------------------------------


def test_the_steps_are_in_the_order_they_were_taken_with_what_each_cost() -> None:
    steps = FROM_AWS.steps()
    assert [each.name for each in steps] == ["running", "answers", "agent", "files", "blender", *STEPS[-2:]]
    assert [each.took for each in steps] == [12.0, 13.0, 1.0, 2.0, 33.0, 9.5, 99.5]
    assert to_json(FROM_AWS)["steps"][-1] == {"name": "first_frame", "at": 170.0, "took": 99.5}


@pytest.mark.parametrize(
    ("changes", "saved"),
    [
        ({}, 33.0),  # not the 2 s in which the files came
        ({"seconds": {**STEADY, "files": 90.0}}, 0.0),
        ({"seconds": {"agent": 26.0, "blender": 61.0}}, 35.0),
        ({"seconds": {"agent": 26.0}}, None),
        ({"seconds": {"blender": 61.0}}, None),
        ({"image_origin": "own"}, None),
        ({"image_origin": "given"}, None),
        ({"image_origin": ""}, None),
        ({"blender_from": "image"}, None),
        ({"blender_from": ""}, None),
        ({"kept_by": "j0"}, None),
    ],
)
def test_what_an_image_would_save_is_what_was_waited_for_blender_alone(
    changes: dict[str, object], saved: float | None
) -> None:
    assert replace(FROM_AWS, **changes).an_image_saves == saved  # type: ignore[arg-type]


def timed(sample: float, **changes: object) -> MachineTiming:
    return replace(FROM_AWS, **{"seconds": {**STEADY, "first_sample": sample}, **changes})  # type: ignore[arg-type]


def test_images_are_compared_by_the_median_of_the_machines_that_count() -> None:
    own = {"image_origin": "own", "image_id": "ami-2", "blender_from": "image"}
    machines = [
        *(timed(sample) for sample in (74.0, 60.0, 90.0)),
        *(timed(sample, **own) for sample in (31.0, 33.0)),
        timed(900.0, alone=True),
        timed(3.0, kept_by="j0"),
        timed(70.0, image_origin=""),
        replace(FROM_AWS, seconds={"running": 9.0}),
        timed(20.0, instance_type="g5.xlarge"),
    ]
    assert compare_images(machines) == (
        FirstSample(instance_type="g4dn.xlarge", image_id="", seconds=74.0, machines=3),
        FirstSample(instance_type="g4dn.xlarge", image_id="ami-2", seconds=32.0, machines=2),
    )
    assert image_savings(machines) == {"g5.xlarge": (33.0, 1)}, "the other has its image by now"
    assert image_savings([timed(70.0, seconds={**STEADY, "blender": 30.0})]) == {}, "2 s are not worth it"


# -- in words ----------------------------------------------------------------------------------------------


def test_a_table_in_the_terminal() -> None:
    assert list(in_terminal.table(FROM_AWS)) == [
        "i-0123456789abcdef0, g4dn.xlarge, spot",
        "  AWS's image (ami-0123456789abcdef0)     after launch          took",
        "    running                                     12.0 s        12.0 s",
        "    answers by SSH                              25.0 s        13.0 s",
        "    render agent started                        26.0 s         1.0 s",
        "    files there                                 28.0 s         2.0 s",
        "    Blender ready (downloaded)                  61.0 s        33.0 s",
        "    first sample                                70.5 s         9.5 s",
        "    first frame                                170.0 s        99.5 s",
    ]
    kept = list(in_terminal.table(replace(FROM_AWS, kept_by="20261126-020300-3f9a", on_demand=True, alone=True)))
    assert kept[0].endswith(", on-demand") and kept[1].startswith("  kept by job 20261126-020300-3f9a: no boot ")
    assert "waited for this computer" in kept[-1]
    assert "nothing" in list(in_terminal.table(replace(FROM_AWS, seconds={})))[-1]
    widest = replace(
        FROM_AWS, instance_type="g4dn.12xlarge", on_demand=True, image_origin="own", seconds={"blender": 12345.6}
    )
    assert max(map(len, in_terminal.table(widest))) <= 72


def test_what_images_buy_in_the_terminal() -> None:
    own = {"image_origin": "own", "image_id": "ami-0123456789abcdef0"}
    machines = [timed(74.0), timed(31.0, **own), timed(33.0, **own)]
    assert list(in_terminal.images(machines)) == [
        "First sample after the launch, median of all machines:",
        "  g4dn.xlarge     AWS's image                  74.0 s  (1 machine)",
        "  g4dn.xlarge     ami-0123456789abcdef0        32.0 s  (2 machines)",
    ]
    [hint] = in_terminal.images([timed(74.0)])
    assert hint.startswith("g4dn.xlarge from AWS's image waited 33 s until its Blender was there (once): ")
    assert "`cloudrender image build --family g4dn`" in hint
    assert list(in_terminal.images([timed(74.0, instance_type="x1.large")])) == [], "no image can be built for it"


def rows(table: object) -> list[tuple[str, str, str]]:
    return [(row.name, row.at, row.took) for row in table.rows]  # type: ignore[attr-defined]


def test_a_table_in_the_panel() -> None:
    [table] = timing_texts.tables([FROM_AWS], running=None, now=0.0)
    assert (table.title, table.image) == ("g4dn.xlarge", "AWS's image")
    assert rows(table)[:2] == [("Launch", "0.0 s", "–"), ("Running", "12.0 s", "12.0 s")]
    assert rows(table)[-1] == ("First Frame", "170 s", "99.5 s")
    assert table.hint == "An image of your own would have saved 35 s here: Build Image in the preferences"
    own = replace(FROM_AWS, image_origin="own", blender_from="image")
    [mine] = timing_texts.tables([own], running=None, now=0.0)
    assert (mine.image, mine.hint) == ("Your image ami-0123456789abcdef0", "")


@pytest.mark.parametrize(
    ("seconds", "kept_by", "coming"),
    [
        ({}, "", "Running"),
        ({"running": 12.0}, "", "Answers"),
        ({"running": 12.0, "answers": 25.0, "agent": 26.0}, "", "Blender"),
        ({"running": 12.0, "answers": 25.0, "agent": 26.0, "files": 28.0}, "", "Blender"),
        ({"running": 12.0, "answers": 25.0, "agent": 26.0, "driver": 128.0}, "", "Blender"),
        ({"running": 12.0, "answers": 25.0, "agent": 26.0, "blender": 28.0}, "", "Files"),
        (STEADY, "", "First Frame"),
        ({"agent": 26.0, "blender": 27.0, "files": 28.0}, "", "First Sample"),
        ({}, "j0", "Agent"),
        ({**STEADY, "first_frame": 170.0}, "", None),
        ({"agent": 26.0, "blender": 27.0, "files": 28.0, "first_frame": 30.0}, "", None),
    ],
)
def test_what_comes_next_counts_on(seconds: dict[str, float], kept_by: str, coming: str | None) -> None:
    timing = replace(FROM_AWS, seconds=seconds, kept_by=kept_by)
    other = replace(FROM_AWS, instance_id="i-2")
    table, over = timing_texts.tables([timing, other], running=timing.key, now=LAUNCHED + 42.0)
    under_way = [(row.name, row.at) for row in table.rows if not row.took]
    assert under_way == ([(coming, "42 s…")] if coming else [])
    assert all(row.took for row in over.rows)
    assert len(table.rows) == 1 + len(seconds) + len(under_way)
    assert table.rows[0].name == ("Taken Over" if kept_by else "Launch")


def test_a_line_is_what_a_program_can_read(folder: JobFolder) -> None:
    Stopwatch(folder, lambda _: None)(launched())
    [timing] = timings(folder)
    assert json.loads(json.dumps(to_json(timing)))["steps"] == []
