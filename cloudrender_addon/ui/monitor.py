# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the pump go.

While a job runs, a modal operator's window timer does; it hears ESC as well. Loading a file ends modal operators, and
Blender postpones its auto-save while one runs, so no job belongs to it: it steps aside now and then, and a persistent
timer, which goes on regardless, drains the same queues meanwhile and starts it again.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import bpy

from .answers import Answer
from .pump import pump
from .session import SESSION

if TYPE_CHECKING:
    from bpy.types import Context, Event

TICK_SECONDS = 0.25
MODAL_SECONDS = 10.0
"""How long the modal operator runs before it steps aside for a pending auto-save."""

ASIDE_SECONDS = 0.2

_log = logging.getLogger(__name__)


def wake() -> None:
    """Keep pumping until there is nothing to wait for. For the main thread."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=TICK_SECONDS, persistent=True)


def _tick() -> float | None:
    """Pump if nothing else does. Ends when nothing is under way."""
    try:
        _beat()
    except Exception:  # noqa: BLE001  the timer's top: it must go on, or no job would be seen ending
        _log.exception("the timer failed")
    waiting = SESSION.running or SESSION.busy or not SESSION.inbox.empty()
    return TICK_SECONDS if waiting else None


def _beat() -> None:
    now = time.monotonic()
    modal = now - SESSION.modal_beat < 4 * TICK_SECONDS
    if modal:
        return
    pump()
    if SESSION.running and now >= SESSION.modal_after:
        manager: Any = bpy.context.window_manager
        # Handlers are a stack: begun on top of a running grab, ours would be the first to get its ESC.
        if len(manager.windows) and not any(len(window.modal_operators) for window in manager.windows):
            with bpy.context.temp_override(window=manager.windows[0]):
                bpy.ops.cloudrender.monitor("INVOKE_DEFAULT")  # type: ignore[attr-defined]


def _is_for_us(context: Context) -> bool:
    """Tell whether ESC has no other meaning just now; popups and text fields never let it through."""
    window: Any = context.window
    return len(window.modal_operators) == 1 and not window.screen.is_animation_playing


class CLOUDRENDER_OT_monitor(bpy.types.Operator):  # noqa: N801 - Blender's naming rule
    """Watch the running cloud render"""

    bl_idname = "cloudrender.monitor"
    bl_label = "Watch Cloud Render"
    bl_options = {"INTERNAL"}  # noqa: RUF012 - Blender's way

    _timer: Any = None
    _until = 0.0

    def invoke(self, context: Context, _event: Event) -> Answer:
        manager: Any = context.window_manager
        self._timer = manager.event_timer_add(TICK_SECONDS, window=context.window)
        self._until = time.monotonic() + MODAL_SECONDS
        SESSION.modal_beat = time.monotonic()
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> Answer:
        if event.type == "TIMER":
            SESSION.modal_beat = time.monotonic()
            pump()
            if not SESSION.running or SESSION.modal_beat >= self._until:
                self.cancel(context)
                return {"FINISHED"}
        elif event.type == "ESC" and event.value == "PRESS" and SESSION.running and _is_for_us(context):
            bpy.ops.cloudrender.cancel("INVOKE_DEFAULT")  # type: ignore[attr-defined]
            return {"RUNNING_MODAL"}
        return {"PASS_THROUGH"}

    def cancel(self, context: Context) -> None:
        """Let go; called by Blender too, when it closes the window."""
        manager: Any = context.window_manager
        if self._timer is not None:
            manager.event_timer_remove(self._timer)
            self._timer = None
        SESSION.modal_beat = 0.0
        SESSION.modal_after = time.monotonic() + ASIDE_SECONDS


CLASSES = (CLOUDRENDER_OT_monitor,)


def unregister() -> None:
    """Stop the timer."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
