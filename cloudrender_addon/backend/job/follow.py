# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn what the agent on the machine says into frames on disk, notices and errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import (
    CloudrenderError,
    GpuError,
    MachineGoneError,
    RenderError,
    SceneError,
)
from cloudrender_addon.backend.farms.base import Link
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.collect import Collector

_MAX_DETAIL_LINES = 20

_FAILURES: dict[str, type[CloudrenderError]] = {"gpu": GpuError, "scene": SceneError}
"""Kinds of a `failed` event that have an error class of their own; all others are `RenderError`."""


class Follower:
    """Follows one agent to its end.

    `set_aside(frame, text)` is called for a frame the agent gave up: the reason, then the end of Blender's log.
    """

    def __init__(self, *, collector: Collector, report: ev.Reporter, set_aside: Callable[[int, str], None]) -> None:
        self._collector = collector
        self._report = report
        self._set_aside = set_aside

    def follow(self, link: Link, *, check: Callable[[], object], cancel: CancelToken) -> None:
        """Return when the agent has finished and its frames are here. `check` may raise, every 2 s at least.

        Raises `RenderError` and its kind, `MachineGoneError` (interrupted), `LinkError`, `TransferError`, `Cancelled`.
        """
        for event in link.events(cancel=cancel):
            cancel.check()
            check()
            if event is not None and self._handle(event, link, cancel=cancel):
                return
        # The stream ended without a last word: the runner connects again and sees what is true.
        raise MachineGoneError("The machine stopped reporting")

    def _handle(self, event: dict[str, Any], link: Link, *, cancel: CancelToken) -> bool:
        """Act on one event; True when it was the last and all is well."""
        kind = event.get("event")
        if kind == "frame":
            if saved := self._collector.collect(link, event, cancel=cancel):
                paths = tuple(self._collector.output / name for name in saved.files)
                self._say(ev.FrameSaved, frame=saved.frame, paths=paths, seconds=saved.seconds)
        elif kind == "frame_failed":
            frame, reason = int(event.get("frame", 0)), _text(event, "reason")
            self._set_aside(frame, "\n".join((reason, *_last_lines(event))))
            self._say(ev.FrameFailed, frame=frame, reason=reason)
        elif kind == "blender_ready":
            self._say(ev.Notice, text=f"Blender {_text(event, 'version')} is ready ({_text(event, 'source')})")
        elif kind == "scene":
            self._say(ev.Notice, text=f"{_text(event, 'engine')} renders on {_devices(event)}")
            for note in event.get("notes") or ():
                self._say(ev.Notice, text=str(note))
        elif kind == "interruption":
            self._say(ev.Notice, text="Amazon takes this spot machine back in about two minutes")
        elif kind == "stopped":
            raise MachineGoneError("The spot machine was taken back")
        elif kind == "failed":
            error = _FAILURES.get(_text(event, "kind"), RenderError)
            raise error(_text(event, "message"), hint=_text(event, "hint"), details=_last_lines(event))
        return kind == "finished"

    def _say(self, event: Callable[..., ev.Event], **fields: object) -> None:
        self._report(event(at=time.time(), **fields))


def _last_lines(event: dict[str, Any]) -> tuple[str, ...]:
    """Return the end of the log an event carries."""
    lines = event.get("log") or ()
    return tuple(str(line) for line in lines)[-_MAX_DETAIL_LINES:]


def _text(event: dict[str, Any], key: str) -> str:
    return str(event.get(key) or "")


def _devices(event: dict[str, Any]) -> str:
    names = ", ".join(str(name) for name in event.get("devices") or ())
    device = _text(event, "device")
    return f"{names} ({device})" if names and device != "CPU" else device
