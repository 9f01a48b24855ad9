# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job looks like: lines, JSON, the bar in a terminal."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import select
import struct
import sys
import termios
from dataclasses import replace
from pathlib import Path

import pytest

from cloudrender_addon.backend.errors import CapacityError
from cloudrender_addon.backend.farms.base import MachineRequest
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.progress import Progress
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.cli.display import BarDisplay, JsonDisplay, LineDisplay, choose_display, describe, error_lines
from tests.unit.fakes import FakeFarm

START = Progress(total=4, started=1000.0)
SAVED = ev.FrameSaved(at=1010, frame=1, paths=(Path("out/0001.png"),), seconds=2.5)


def test_lines_name_frames_and_phases() -> None:
    out = io.StringIO()
    display = LineDisplay(out)
    rendering = START.after(ev.StatusChanged(at=1000, status=Status.RENDERING))
    display.show(ev.StatusChanged(at=1000, status=Status.RENDERING), rendering)
    display.show(SAVED, rendering.after(SAVED))
    assert out.getvalue().splitlines() == [
        "Rendering …",
        "Frame 1 is here (2.5 s) 1/4 · 0:10 elapsed · 0:30 left · $0.0000",
    ]


def test_json_is_one_object_a_line() -> None:
    out = io.StringIO()
    display = JsonDisplay(out)
    display.show(SAVED, START)
    display.error(CapacityError("none", hint="another", details=("a", "b")))
    saved, error = map(json.loads, out.getvalue().splitlines())
    assert saved == {
        "event": "frame_saved",
        "at": 1010,
        "frame": 1,
        "paths": ["out/0001.png"],
        "seconds": 2.5,
        "size": 0,
    }
    assert error["kind"] == "CapacityError" and error["details"] == ["a", "b"]


def test_an_error_ends_with_cause_and_remedy_and_is_not_endless() -> None:
    lines = error_lines(CapacityError("none", hint="another", details=tuple(map(str, range(500)))))
    assert lines[-2:] == ["cloudrender: none", "  → another"] and len(lines) < 50


def test_nobody_reading_does_not_stop_the_job() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        display = LineDisplay(stream)
        display.say("to nobody")
        display.say("again")
        display.close()


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        display = choose_display(as_json=False)
        assert isinstance(display, BarDisplay)
        progress = START.after(ev.StatusChanged(at=1000, status=Status.RENDERING)).after(SAVED)
        display.show(SAVED, progress)
        display.say("a notice")
        display.close()
        terminal.flush()
        shown = ""
        while "a notice\r\n" not in shown and select.select([ours], [], [], 10)[0]:
            shown += os.read(ours, 65536).decode(errors="replace")  # a terminal gives it in pieces
    os.close(ours)
    assert "Rendering" in shown and "1/4 · " in shown and "a notice\r\n" in shown and "elapsed" in shown


def test_commands_for_the_terminal_in_foreign_text_are_not_obeyed() -> None:
    out = io.StringIO()
    LineDisplay(out).say("before \x1b]0;title\x07 after\r\nnext")
    assert "\x1b" not in out.getvalue() and "\x07" not in out.getvalue() and out.getvalue().count("\n") == 1


def test_a_machine_that_was_taken_over_is_named_with_its_price() -> None:
    request = MachineRequest(
        job_id="j", token="j-1", instance_types=("g6.xlarge",), disk_bytes=1, lifetime_seconds=60, lease_seconds=60
    )
    machine = replace(FakeFarm([]).plan(request), instance_id="i-1", launched_at=1000.0, paid_from=1030.0)
    event = ev.MachineTakenOver(at=1030, machine=machine, kept_by="k")
    after = START.after(event)
    assert describe(event, after) == (
        "Using the machine kept by job k: no launch, no boot (i-1, g6.xlarge spot, $0.360 an hour)"
    )
    assert after.machine == machine and after.cost_usd(1060.0) == 0  # the minute was paid


@pytest.mark.parametrize(
    ("on_demand", "said"),
    [(False, "spot in us-east-1, at most $10.500"), (True, "on-demand in us-east-1, $0.360–10.500")],
)
def test_a_planned_machine_of_several_types_says_what_it_costs_at_most(on_demand: bool, said: str) -> None:
    request = MachineRequest(
        job_id="j", token="j-1", instance_types=("g6.xlarge", "g5.xlarge"), disk_bytes=1, lifetime_seconds=60,
        lease_seconds=60, on_demand=on_demand,
    )  # fmt: skip
    machine = FakeFarm([]).plan(request)
    dear = replace(machine.offers[1], machine_usd=10.5)
    planned = ev.MachinePlanned(at=1000, machine=replace(machine, offers=(dear, machine.offers[0])))
    assert describe(planned, START) == f"g5.xlarge or g6.xlarge {said} an hour with disk and address"
