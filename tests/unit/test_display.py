# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job looks like: lines, JSON, the bar in a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import select
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import pytest

from cloudrender_addon.backend.errors import CapacityError
from cloudrender_addon.backend.farms.base import MachineRequest
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.progress import Progress
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.cli.display import (
    BarDisplay,
    JsonDisplay,
    LineDisplay,
    choose_display,
    error_lines,
    put,
)
from cloudrender_addon.cli.event_words import describe
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


@contextlib.contextmanager
def terminal(columns: int) -> Iterator[tuple[TextIO, Callable[[str], str]]]:
    """Give a terminal to write to, and what returns all that is shown there as soon as these words are."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def shown(until: str) -> str:
        stream.flush()
        text = b""
        while until.encode() not in text and select.select([ours], [], [], 10)[0]:
            text += os.read(ours, 65536)  # a terminal gives it in pieces
        return text.decode(errors="replace")

    with os.fdopen(theirs, "w") as stream:
        yield stream, shown
    os.close(ours)


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(100) as (stream, shown):
        monkeypatch.setattr(sys, "stderr", stream)
        display = choose_display(as_json=False)
        assert isinstance(display, BarDisplay)
        progress = START.after(ev.StatusChanged(at=1000, status=Status.RENDERING)).after(SAVED)
        display.show(SAVED, progress)
        display.say("a notice")
        display.close()
        said = shown("a notice\r\n")
    assert "Rendering" in said and "1/4 · " in said and "a notice\r\n" in said and "elapsed" in said


_COMMAND = "`aws ec2 create-default-vpc --region eu-central-1 --profile cloudrender`"
_ERROR = CapacityError("cause " * 20 + "end", hint="step " * 9 + f"with {_COMMAND} " + "and " * 9 + "done")


def test_a_terminal_gets_lines_that_fit_and_commands_that_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(80) as (stream, shown):
        monkeypatch.setattr(sys, "stderr", stream)
        choose_display(as_json=False).error(_ERROR)
        lines = shown("done\r\n").split("\r\n")
    assert max(map(len, lines)) <= 80 and any(_COMMAND in line for line in lines)
    assert " ".join(line.strip() for line in lines).split() == " ".join(error_lines(_ERROR)).split()
    first, second = (next(n for n, line in enumerate(lines) if mark in line) for mark in ("cloudrender:", "→"))
    assert all(line.startswith(("  c", "  e")) for line in lines[first + 1 : second])
    assert all(line.startswith("    ") and line[4] != " " for line in lines[second + 1 : -1])


def test_what_is_asked_for_fits_in_columns_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(60) as (stream, shown):
        monkeypatch.setattr(sys, "stdout", stream)
        put("✓ Name   " + "text " * 30 + "end", indent=9)
        lines = shown("end\r\n").rstrip().split("\r\n")
    assert len(lines) > 2 and max(map(len, lines)) <= 60 and all(line[:9].isspace() for line in lines[1:])


def test_nothing_is_broken_on_its_way_to_a_file_or_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    LineDisplay(out).error(_ERROR)
    assert out.getvalue().splitlines() == error_lines(_ERROR)
    put("word " * 60)
    assert capsys.readouterr().out == "word " * 60 + "\n"


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
