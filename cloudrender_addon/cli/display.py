# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job looks like in a terminal, in a log file, and to a program."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from ..backend.errors import CloudrenderError
from ..backend.job import events as ev
from ..backend.job.progress import Progress
from ..backend.job.status import Status
from ..backend.job.words import fraction_done
from .event_words import describe, figures

_MAX_DETAILS = 40
_LEAST_COLUMNS = 40


class Display(Protocol):
    """Shows a job's events; called on the main thread only."""

    def show(self, event: ev.Event, progress: Progress) -> None:
        """Show one event, with the progress after it."""

    def tick(self, progress: Progress) -> None:
        """Called a few times a second: time and money go on between events."""

    def say(self, text: str) -> None:
        """Show a line that is not an event."""

    def error(self, error: CloudrenderError) -> None:
        """Show cause, details and next step."""

    def close(self) -> None:
        """Leave the terminal tidy."""


def choose_display(*, as_json: bool) -> Display:
    """Pick JSON for programs, a bar for terminals, plain lines for everything else."""
    if as_json:
        return JsonDisplay(sys.stdout)
    return BarDisplay() if sys.stderr.isatty() else LineDisplay(sys.stderr)


class _Lines:
    """Writes lines; when nobody reads them any more (`| head`), or the disk behind them is full, it falls silent.

    The job is worth more than what is said of it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    def _line(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            print(text, file=self._stream, flush=True)
        except OSError:
            # Python flushes once more when it ends, and would complain then.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            self._stream = None

    def close(self) -> None:
        """Nothing: every line is out already."""


class LineDisplay(_Lines):
    """One line for every change of phase and every frame."""

    def show(self, event: ev.Event, progress: Progress) -> None:
        if text := describe(event, progress):
            self.say(text)

    def tick(self, progress: Progress) -> None:
        """Nothing: a log file wants no repainting."""

    def say(self, text: str) -> None:
        self._line(printable(text))

    def error(self, error: CloudrenderError) -> None:
        for line in error_lines(error):
            self.say(line)


class BarDisplay(LineDisplay):
    """A progress bar at the bottom, notices and errors above it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._bar: tqdm[Any] | None = None

    def show(self, event: ev.Event, progress: Progress) -> None:
        if not isinstance(event, ev.StatusChanged | ev.FrameSaved | ev.BytesSent):
            super().show(event, progress)
        self.tick(progress)

    def tick(self, progress: Progress) -> None:
        if progress.status.terminal or progress.status is Status.PENDING:
            return
        if self._bar is None:
            self._bar = tqdm(total=1.0, leave=False, file=sys.stderr, dynamic_ncols=True)
        # The whole line is ours: tqdm's own fields would count frames of a second as "3.2 s/it".
        status = progress.status.value.capitalize()
        self._bar.bar_format = f"{status:<13}{{bar}} {figures(progress, now=time.time())}"
        self._bar.n = fraction_done(progress)
        with contextlib.suppress(OSError):
            self._bar.refresh()

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            tqdm.write(fitted(printable(text), sys.stderr), file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class JsonDisplay(_Lines):
    """One JSON object a line on standard output."""

    def show(self, event: ev.Event, progress: Progress) -> None:  # noqa: ARG002  a program folds events itself
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        self._write({"event": name, **_plain(event)})

    def tick(self, progress: Progress) -> None:
        """Nothing: a program counts by itself."""

    def say(self, text: str) -> None:
        self._write({"event": "notice", "at": time.time(), "text": text})

    def error(self, error: CloudrenderError) -> None:
        self._write({"event": "error", **_plain(error)})

    def _write(self, record: dict[str, Any]) -> None:
        self._line(json.dumps(record, ensure_ascii=False))


def printable(text: str) -> str:
    """Make a text safe for a terminal: some of it comes from rented machines, logs and files of others."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)


def put(text: str, *, indent: int | None = None) -> None:
    """Print a line of what was asked for; `indent` as in `fitted`."""
    print(fitted(printable(text), sys.stdout, indent=indent), flush=True)


def fitted(text: str, stream: TextIO, *, indent: int | None = None) -> str:
    """Break a line at the width of the terminal; what goes elsewhere stays whole, and so does what stands in `…`.

    `indent` is how far the lines after the first are set in, by default a little more than the first.
    """
    if not stream.isatty():
        return text
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except OSError:
        columns = 0
    columns = max(columns or shutil.get_terminal_size().columns, _LEAST_COLUMNS)
    if len(text) <= columns:
        return text
    if indent is None:
        indent = len(text) - len(text.lstrip()) + 2
    # A command is there to be copied.
    held = re.sub(r"`[^`]*`", lambda command: command[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(held, columns, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def error_lines(error: CloudrenderError) -> list[str]:
    """Write an error: details first, so that cause and next step are the last thing read."""
    lines = [f"  | {line}" for line in error.details[:_MAX_DETAILS]]
    if len(error.details) > _MAX_DETAILS:
        lines.append(f"  | … and {len(error.details) - _MAX_DETAILS} lines more")
    lines.append(f"cloudrender: {error.message}")
    if error.hint:
        lines.append(f"  → {error.hint}")
    return lines


def _plain(value: object) -> Any:
    """Turn events and what they hold into what JSON can say."""
    if isinstance(value, CloudrenderError):
        return {"kind": type(value).__name__, "message": value.message, "hint": value.hint, "details": value.details}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
