# SPDX-License-Identifier: GPL-3.0-or-later
"""Executed in the windowed Blender: note when the viewport was drawn and how long each tick took, and in which phase.

`FRAMES` are (phase, seconds since the frame before, how many of them the main thread worked), `TICKS` are (phase,
seconds), `SHOWS` (whether that opened a window, seconds) of putting a frame on the screen; a phase is a job's status
or "idle". The clock stands still while the main thread could run but other processes had the cores: Linux counts that.
"""

import importlib
import threading
import time
from pathlib import Path

import bpy

EXTENSION = "bl_ext.user_default.cloudrender"
monitor = importlib.import_module(f"{EXTENSION}.ui.monitor")
results = importlib.import_module(f"{EXTENSION}.ui.results")
SESSION = importlib.import_module(f"{EXTENSION}.ui.session").SESSION
FRAMES, TICKS, SHOWS = [], [], []
SCHEDULER = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").open("rb", buffering=0)  # noqa: SIM115
drawn = [0.0, 0.0, ""]
pump, show_frames = monitor.pump, results.show_frames


def clock():
    """Return seconds that the main thread ran, slept or waited for a lock."""
    SCHEDULER.seek(0)
    return time.perf_counter() - int(SCHEDULER.read().split()[1]) / 1e9


def phase():
    job = SESSION.job
    return "idle" if job is None or job.ended is not None else job.progress.status.value


def on_draw():
    """Note the time since the last frame, unless another phase has begun meanwhile."""
    if bpy.context.window.parent is not None:
        return
    now, worked, name = clock(), time.thread_time(), phase()
    if name == drawn[2]:
        FRAMES.append((name, now - drawn[0], worked - drawn[1]))
    drawn[:] = now, worked, name


def timed_pump():
    name, began = phase(), clock()
    pump()
    TICKS.append((name, clock() - began))


def timed_show_frames(job, *, frame):
    windows, began = bpy.context.window_manager.windows, clock()
    before = len(windows)
    show_frames(job, frame=frame)
    SHOWS.append((len(windows) > before, clock() - began))


def close_results():
    """Close the windows that show frames: they would follow the animation that plays."""
    for window in bpy.context.window_manager.windows[1:]:
        with bpy.context.temp_override(window=window):
            bpy.ops.wm.window_close()


def lighten():
    """Show lines only: no graphics card draws here."""
    bpy.context.preferences.system.viewport_aa = "OFF"
    for area in bpy.context.window_manager.windows[0].screen.areas:
        if area.type == "VIEW_3D":
            area.spaces.active.shading.type = "WIREFRAME"
            area.spaces.active.overlay.show_overlays = False


def play():
    """Play the animation, and let nothing but the drawing hold it up."""
    window = bpy.context.window_manager.windows[0]
    if not window.screen.is_animation_playing:
        with bpy.context.temp_override(window=window):
            bpy.context.scene.sync_mode = "NONE"
            bpy.ops.screen.animation_play()


lighten()
monitor.pump = timed_pump
results.show_frames = timed_show_frames
bpy.types.SpaceView3D.draw_handler_add(on_draw, (), "WINDOW", "POST_PIXEL")
