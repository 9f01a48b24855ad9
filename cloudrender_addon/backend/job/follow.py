# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn what the agent on the machine says into frames on disk, notices and errors."""

from __future__ import annotations

import calendar
import math
import time
from collections.abc import Callable
from typing import Any

from ..cancel import CancelToken
from ..clock import now
from ..errors import (
    BrokenFrameError,
    CloudrenderError,
    GpuError,
    MachineGoneError,
    RenderError,
    SceneError,
    TransferError,
)
from ..farms.link import Link
from . import events as ev
from .collect import Collector
from .words import clock

_MAX_DETAIL_LINES = 20

_NOTICE_SECONDS = 120.0
"""From Amazon's notice to the end of the machine, at most."""

_STOPPED = {
    "interruption": "The spot machine was taken back",
    "rebalance": "The machine was left, as Amazon recommends",
    "shutdown": "The machine shut down",
}
"""Why an agent stopped, in words."""

_FAILURES: dict[str, type[CloudrenderError]] = {"gpu": GpuError, "scene": SceneError}
"""Kinds of a `failed` event that have an error class of their own; all others are `RenderError`."""

_BROUGHT = {"image": "from its image", "download": "downloaded", "kept": "there already"}
"""Where the machine has its Blender from, in words."""

_STEPS = {
    "started": "agent",
    "driver_ready": "driver",
    "blender_ready": "blender",
    "project_ready": "files",
    "first_sample": "first_sample",
    "frame": "first_frame",
}
"""What the agent says, as steps to the first frame (see timing.py)."""


class Follower:
    """Follows the agent of one machine to its end, over as many links as it takes.

    `set_aside(frame, text)` is called for a frame the agent gave up: the reason, then the end of Blender's log.
    """

    def __init__(self, *, collector: Collector, report: ev.Reporter, set_aside: Callable[[int, str], None]) -> None:
        self._collector = collector
        self._report = report
        self._set_aside = set_aside
        self._told: set[str] = set()
        """What was said already: after a reconnect the agent's log comes again from its beginning."""
        self.reclaimed = False
        """Whether the agent was told that its machine will, or is likely to, be taken back."""
        self._booted_at: float | None = None
        self.begun: set[int] = set()
        """Frames that the agent has begun and neither finished nor given up."""
        self.gone_by = math.inf
        """When the machine is certainly gone, `time.monotonic()` seconds."""

    def follow(self, link: Link, *, booted_at: float | None, check: Callable[[], object], cancel: CancelToken) -> None:
        """Return when the agent has finished and its frames are here. `check` may raise, every 2 s at least.

        The machine booted at `booted_at` (`clock.now`), if that is known: by its uptime the time of an event is told.

        Raises `RenderError` and its kind, `MachineGoneError` (interrupted), `MachineError`, `LinkError`, `Cancelled`.
        """
        self._booted_at = booted_at
        try:
            for event in link.events(cancel=cancel, ahead=lambda events: self._collector.expect(link, events)):
                cancel.check()
                check()
                if event is None:
                    self._collector.settle()
                elif self._handle(event, link, cancel=cancel):
                    break
            else:
                # The stream ended without a last word: the runner connects again and sees what is true.
                raise MachineGoneError("The machine stopped reporting")
        finally:
            # Before anything ends the machine, which has the frames as well.
            self._collector.settle()

    def _handle(self, event: dict[str, Any], link: Link, *, cancel: CancelToken) -> bool:
        """Act on one event; True when it was the last and all is well."""
        kind = event.get("event")
        self._note_begun(kind, _number(event, "frame"))
        self._note_step(kind, event)
        if kind == "frame":
            self._collect(event, link, cancel=cancel)
        elif kind == "frame_failed":
            frame, reason = _number(event, "frame"), _text(event, "reason")
            if self._collector.wants(frame) and self._once(f"{kind} {frame}"):
                self._set_aside(frame, "\n".join((reason, *_last_lines(event))))
                self._say(ev.FrameFailed, frame=frame, reason=reason)
        elif kind == "step":
            self._notice(_text(event, "text"))
        elif kind == "blender_ready":
            source = _text(event, "source")
            self._notice(f"Blender {_text(event, 'version')} is ready ({_BROUGHT.get(source, source)})")
        elif kind == "scene":
            self._notice(f"{_text(event, 'engine')} renders on {_devices(event)}")
            for note in _texts(event, "notes"):
                self._notice(note, about_frames=True)
        elif kind == "interruption":
            self.reclaimed = True
            self.gone_by = min(self.gone_by, time.monotonic() + _NOTICE_SECONDS)
            self._notice(f"Amazon takes this spot machine back at {_wall_clock(_text(event, 'time')) or 'any moment'}")
        elif kind == "rebalance":
            self.reclaimed = True
            self._notice("Amazon says that this spot machine is likelier to be taken back than others")
        elif kind == "stopped":
            raise MachineGoneError(_STOPPED.get(_text(event, "reason"), "The machine stopped rendering"))
        elif kind == "failed":
            error = _FAILURES.get(_text(event, "kind"), RenderError)
            raise error(_text(event, "message"), hint=_text(event, "hint"), details=_last_lines(event))
        return kind == "finished"

    def _note_step(self, kind: object, event: dict[str, Any]) -> None:
        """Tell how far the machine has come on its way to the first frame, and since when."""
        step = _STEPS.get(str(kind))
        if step is None or not self._once(f"step {step}"):
            return
        moment, uptime = now(), _uptime(event)
        if self._booted_at is not None and uptime is not None:
            moment = min(moment, self._booted_at + uptime)
        source = _text(event, "source") if step == "blender" else ""
        self._say(ev.StepTaken, step=step, moment=moment, blender_from=source if source in _BROUGHT else "")

    def _note_begun(self, kind: object, frame: int) -> None:
        if kind == "frame_started" and self._collector.wants(frame):
            self.begun.add(frame)
        elif kind in ("frame", "frame_failed"):
            self.begun.discard(frame)

    def _collect(self, event: dict[str, Any], link: Link, *, cancel: CancelToken) -> None:
        try:
            saved = self._collector.collect(link, event, cancel=cancel)
        except BrokenFrameError as broken:
            frame = _number(event, "frame")
            self._set_aside(frame, broken.message)
            self._say(ev.FrameFailed, frame=frame, reason=broken.message)
            return
        except TransferError as damaged:
            # The frames after it may be well. It stays missing, and so is rendered once more, on another machine.
            self._notice(f"{damaged.message}, however often it is fetched: it will be rendered again")
            return
        if saved:
            paths = tuple(self._collector.output / name for name in saved.files)
            self._say(ev.FrameSaved, frame=saved.frame, paths=paths, seconds=saved.seconds, size=saved.size or 0)

    def _notice(self, text: str, *, about_frames: bool = False) -> None:
        if self._once(text):
            self._say(ev.Notice, text=text, about_frames=about_frames)

    def _once(self, what: str) -> bool:
        new = what not in self._told
        self._told.add(what)
        return new

    def _say(self, event: Callable[..., ev.Event], **fields: object) -> None:
        self._report(event(at=time.time(), **fields))


def _last_lines(event: dict[str, Any]) -> tuple[str, ...]:
    """Return the end of the log an event carries."""
    return _texts(event, "log")[-_MAX_DETAIL_LINES:]


def _texts(event: dict[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of texts; whatever else the machine may have sent is no reason to fall over."""
    found = event.get(key)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _number(event: dict[str, Any], key: str) -> int:
    found = event.get(key)
    return found if isinstance(found, int) else 0


def _uptime(event: dict[str, Any]) -> float | None:
    try:
        found = float(event.get("uptime", math.nan))
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _text(event: dict[str, Any], key: str) -> str:
    return str(event.get(key) or "")


def _wall_clock(moment: str) -> str:
    """Return a moment as Amazon writes it (2026-01-01T00:00:00Z) in this computer's time; "" if it is none."""
    try:
        return clock(calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ")))
    except (ValueError, OverflowError, OSError):  # the last two: a year that this system's clock does not know
        return ""


def _devices(event: dict[str, Any]) -> str:
    names = ", ".join(_texts(event, "devices"))
    device = _text(event, "device")
    return f"{names} ({device})" if names and device != "CPU" else device
